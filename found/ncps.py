"""Closed-form and liquid time-constant cells, with and without the time that passes before each step."""

from typing import Annotated

from jaxtyping import Float
from torch import Tensor

from rnncheck import Values

PACKAGE = "ncps"
JUDGED = {
    "CfC": {"target": "ncps.torch:CfC", "typed": "found.ncps:plain"},
    "CfC with timespans": {"target": "ncps.torch:CfC", "typed": "found.ncps:timed"},
    "LTC": {"target": "ncps.torch:LTC", "typed": "found.ncps:plain"},
    "LTC with timespans": {"target": "ncps.torch:LTC", "typed": "found.ncps:timed"},
}
Output = tuple[Float[Tensor, "batch time units"], Float[Tensor, "batch units"]]
Input, State = Float[Tensor, "batch time input"], Float[Tensor, "batch units"] | None


def plain(input: Input, hx: State = None) -> Output: ...


def timed(input: Input, timespans: Annotated[Float[Tensor, "batch time"], Values(low=0.0)], hx: State = None) -> Output: ...
