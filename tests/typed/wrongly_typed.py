"""Functions whose types cannot be understood, each with what the message must say."""

from collections.abc import Callable
from typing import Annotated, Any

from jaxtyping import Bool, Float, Int
from torch import Tensor

import rnncheck

X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


def no_time(x: Float[Tensor, "batch frames units"]) -> Float[Tensor, "batch frames units"]: ...
def two_times(x: X, y: Float[Tensor, "batch steps units"]) -> X: ...
def state_from_nowhere(x: X) -> tuple[X, H]: ...
def state_that_never_comes_back(
    x: X, h: Annotated[H, rnncheck.State()], s: Float[Tensor, "batch 3"]
) -> tuple[X, Float[Tensor, "batch 3"]]: ...  # noqa: E501
def no_output(x: X, h0: H) -> H: ...
def nothing_back(x: X, h0: H): ...
def option_without_values(x: X, chunk: int) -> X: ...
def unannotated_argument(x: X, y) -> X: ...
def ids(x: Int[Tensor, "batch time"]) -> X: ...
def mask_of_one_axis(x: X, mask: Bool[Tensor, "time"]) -> X: ...
def one_for_each_sequence(x: X, scale: Float[Tensor, "batch 1"]) -> X: ...
def nameless_axis(x: Float[Tensor, "batch time _"]) -> X: ...
def any_number_of_states(x: X, h0: tuple[H, ...]) -> tuple[X, tuple[H, ...]]: ...
def without_batch(x: Float[Tensor, "time units"], y: X) -> X: ...
def untyped(q, k, v, initial_state=None, chunk_size=64): ...


WRONG: dict[Callable[..., Any], tuple[str, ...]] = {
    no_time: ("no axis is called time", "--time NAME", "frames"),
    two_times: ("time and steps", "--time NAME"),
    state_from_nowhere: ("second result (batch units)", "no argument of its type goes in", "initial_state: Float"),
    state_that_never_comes_back: ("h is a state", "return it"),
    no_output: ("no tensor with the axis time", "->"),
    nothing_back: ("the result is not annotated", "-> Float[Tensor"),
    option_without_values: ("chunk has no default", "rnncheck.Options(16, 64)"),
    unannotated_argument: ("y is not annotated",),
    ids: ("no real numbers", "vectors instead of ids"),
    mask_of_one_axis: ("mask has the axes (time)", '"batch time"'),
    one_for_each_sequence: ("scale", "return it as a state"),
    nameless_axis: ("axis _ without a name",),
    any_number_of_states: ("tuple of any length", "tuple[A, B]"),
    without_batch: ("x has no axis batch",),
    untyped: ("a function without types", "def untyped(q: Float", "initial_state: Float", "chunk_size: int = 64"),
}
