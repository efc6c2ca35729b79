"""The mLSTM in three native forms: in chunks, all at once, and step by step, which is the reference."""

from typing import Annotated

from jaxtyping import Float
from torch import Tensor

from rnncheck import Options

PACKAGE = "mlstm_kernels"
FORMS = "mlstm_kernels.torch"
STEPS = f"{FORMS}.recurrent.native_sequence:mlstm_recurrent_sequence__native_fw"
JUDGED = {
    "step by step": {"target": STEPS, "typed": "found.mlstm_kernels:steps"},
    "in chunks": {"target": f"{FORMS}.chunkwise.native:mlstm_chunkwise__native_autograd", "typed": "found.mlstm_kernels:chunks"},
    "in chunks, backward of its own": {
        "target": f"{FORMS}.chunkwise.native:mlstm_chunkwise__native_custbw",
        "typed": "found.mlstm_kernels:chunks",
    },
}
Key, Value, Gate = (Float[Tensor, f"batch heads time{axes}"] for axes in (" key", " value", ""))
C, N, M = (Float[Tensor, f"batch heads {axes}"] for axes in ("key value", "key", "1"))
Results = tuple[Value, tuple[C, N, M]]
Yes = Annotated[bool, Options(True)]


def steps(
    q: Key, k: Key, v: Value, i: Gate, f: Gate, c_initial: C | None = None, n_initial: N | None = None, m_initial: M | None = None,
    return_last_states: Yes = True,
) -> Results: ...  # fmt: skip


def chunks(
    q: Key, k: Key, v: Value, i: Gate, f: Gate, c_initial: C | None = None, n_initial: N | None = None, m_initial: M | None = None,
    return_last_states: Yes = True, chunk_size: Annotated[int, Options(1, 2)] = 1,
) -> Results: ...  # fmt: skip
