"""minGRU, in which one step is computed by itself and several at once in log space."""

from typing import Annotated

from jaxtyping import Float
from torch import Tensor

from rnncheck import Options, Values

PACKAGE = "minGRU-pytorch"
JUDGED = {"minGRU": {"target": "minGRU_pytorch:minGRU", "typed": "found.mingru:stub"}}


def stub(
    x: Float[Tensor, "batch time dim"],
    prev_hidden: Annotated[Float[Tensor, "batch 1 dim"], Values(low=0.0)] | None = None,
    return_next_prev_hidden: Annotated[bool, Options(True)] = True,
) -> tuple[Float[Tensor, "batch time dim"], Float[Tensor, "batch 1 dim"]]: ...
