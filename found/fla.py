"""The plain references of flash-linear-attention, which its kernels are tested against."""

from typing import Annotated

from jaxtyping import Float
from torch import Tensor

from rnncheck import Options, Values

PACKAGE = "fla-core"
OPS = "fla.ops"
JUDGED = {
    "GLA, step by step": {"target": f"{OPS}.gla.naive:naive_recurrent_gla", "typed": "found.fla:gla", "dtypes": ["float32"]},
}
Key, Value, Gate = (Float[Tensor, f"batch time heads{axes}"] for axes in (" key", " value", ""))
State = Float[Tensor, "batch heads key value"]
Decay = Annotated[Gate, Values(high=0.0)]
Final = Annotated[bool, Options(True)]


def gla(
    q: Key,
    k: Key,
    v: Value,
    gk: Annotated[Key, Values(high=0.0)],
    initial_state: State | None = None,
    output_final_state: Final = True,
) -> tuple[Value, State]: ...
