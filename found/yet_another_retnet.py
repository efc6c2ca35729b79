"""Multi-scale retention, a chunk a call."""

from jaxtyping import Float
from torch import Tensor

PACKAGE = "yet-another-retnet"
TARGET = "yet_another_retnet.retention:retention_chunkwise"
JUDGED = {"retention_chunkwise": {"target": TARGET, "typed": "found.yet_another_retnet:stub", "budget": 240}}
Key, Value = (Float[Tensor, f"batch heads time {axis}"] for axis in ("key", "value"))
State = Float[Tensor, "batch heads key value"]


def stub(query: Key, key: Key, value: Value, prev_state: State | None) -> tuple[Value, State]: ...
