"""The axis of time is found without its usual names, where the types leave one alone; what is then said is which."""

import pytest
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor, nn

import rnncheck
from rnncheck.adapters.targets.resolve import subjects


def heads_first(
    q: Float[Tensor, "B H L D"], k: Float[Tensor, "B H L D"], v: Float[Tensor, "B H L E"], S: Float[Tensor, "B H D E"]
) -> tuple[Float[Tensor, "B H L E"], Float[Tensor, "B H D E"]]: ...


def channels_first(
    u: Float[Tensor, "b d frames"], A: Float[Tensor, "d m"], last_state: Float[Tensor, "b d m"] | None = None
) -> tuple[Float[Tensor, "b d frames"], Float[Tensor, "b d m"]]: ...


def decay_of_heads(
    q: Float[Tensor, "b n h d"], v: Float[Tensor, "b n h e"], decay: Float[Tensor, " h"], kv: Float[Tensor, "b h d e"] | None = None
) -> tuple[Float[Tensor, "b n h e"], Float[Tensor, "b h d e"]]: ...


def end_to_end(
    x: Float[Tensor, "total units"], cu_seqlens: Int[Tensor, "rows+1"], h0: Float[Tensor, "rows units"] | None = None
) -> tuple[Float[Tensor, "total units"], Float[Tensor, "rows units"]]: ...


def as_wide_as_it_was(
    x: Float[Tensor, "B L features"], state: Complex[Tensor, "B modes"] | None = None
) -> tuple[Float[Tensor, "B L features"], Complex[Tensor, "B modes"]]: ...


def alone(x: Float[Tensor, "b s d"], mask: Bool[Tensor, "b s"]) -> Float[Tensor, "b s d"]: ...


AXES = {heads_first: "L", channels_first: "frames", decay_of_heads: "n", end_to_end: "total", as_wide_as_it_was: "L", alone: "s"}


@pytest.mark.parametrize("function", AXES, ids=lambda function: function.__name__)
def test_the_axis_of_time_is_found_and_said(function):
    (subject,) = subjects(function)
    assert subject.read_as.endswith(f"; {AXES[function]}: the axis of time")
    assert subject.named.time == AXES[function]


def either(
    x: Float[Tensor, "b steps_ features"], h: Float[Tensor, "b units"] | None = None
) -> tuple[Float[Tensor, "b steps_ features"], Float[Tensor, "b units"]]: ...


def none_but_letters(x: Float[Tensor, "b l s"]) -> Float[Tensor, "b l s"]: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (either, "the axes steps_ and features may both be time; say which with --time NAME"),
        (none_but_letters, "no axis is called time"),
    ],
)
def test_one_of_several_is_asked_for(function, words):
    with pytest.raises(rnncheck.UsageError, match=words):
        subjects(function)


class Halves(nn.Module):
    def __init__(self, hidden_size: int) -> None:
        super().__init__()

    def forward(
        self, x: Float[Tensor, "batch time 3"], gate: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time {2*self.hidden_size}"]: ...


def test_an_attribute_is_part_of_an_axis():
    (subject,) = subjects(Halves)
    assert [one.axes for one in subject.named.outputs] == ["batch time 2*hidden_size"]
