"""The mLSTM in native forms: in chunks, as autograd and as its own backward differentiate them, against step by step."""

from jaxtyping import Float
from mlstm_kernels.torch.chunkwise import native
from mlstm_kernels.torch.recurrent.native_sequence import mlstm_recurrent_sequence__native_fw as one_by_one
from torch import Tensor

PACKAGE = "mlstm_kernels"
LIKE = {"against": "found.mlstm_kernels:steps", "dtypes": ["float32", "float64"]}
JUDGED = {name: {"target": f"found.mlstm_kernels:{name}", **LIKE} for name in ("chunks", "own_backward")}
Key, Value, Gate = (Float[Tensor, f"batch heads time{axes}"] for axes in (" key", " value", ""))
C, N, M = (Float[Tensor, f"batch heads {axes}"] for axes in ("key value", "key", "1"))
Results = tuple[Value, tuple[C, N, M]]


def steps(q: Key, k: Key, v: Value, i: Gate, f: Gate, c: C | None = None, n: N | None = None, m: M | None = None) -> Results:
    return one_by_one(q, k, v, i, f, c, n, m, return_last_states=True, dtype_state=q.dtype)


def chunks(q: Key, k: Key, v: Value, i: Gate, f: Gate, c: C | None = None, n: N | None = None, m: M | None = None) -> Results:
    return native.mlstm_chunkwise__native_autograd(q, k, v, i, f, c, n, m, True, chunk_size=2 - q.shape[2] % 2)


def own_backward(q: Key, k: Key, v: Value, i: Gate, f: Gate, c: C | None = None, n: N | None = None, m: M | None = None) -> Results:
    return native.mlstm_chunkwise__native_custbw(q, k, v, i, f, c, n, m, True, chunk_size=2 - q.shape[2] % 2)
