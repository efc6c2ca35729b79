"""What goes into a cell and comes out of it, as types that can be checked."""

from typing import Annotated, TypeAlias

from beartype.vale import Is
from jaxtyping import Float
from torch import Tensor

from rnncheck.typechecked import within


def in_unit_interval(values: Tensor) -> bool:
    """Whether every element lies in [0, 1]; NaN does not."""
    return within(values, 0.0, 1.0)


def in_symmetric_interval(values: Tensor) -> bool:
    """Whether every element lies in [-1, 1]; NaN does not."""
    return within(values, -1.0, 1.0)


Projected: TypeAlias = Float[Tensor, "*batch gates"]
"""W_ih x + b_ih of one step, all gates side by side: gates = hidden times the number of gates."""

State: TypeAlias = Float[Tensor, "*batch hidden"]
"""A state of all hidden units: h without a projection, c always."""

Features: TypeAlias = Float[Tensor, "*batch features"]
"""A state as it is handed on: h after the projection, or h itself."""

Gate: TypeAlias = Annotated[Float[Tensor, "*batch hidden"], Is[in_unit_interval]]
"""A gate: how much to let through, each element in [0, 1]."""

Candidate: TypeAlias = Annotated[Float[Tensor, "*batch hidden"], Is[in_symmetric_interval]]
"""What a gate lets through: each element in [-1, 1]."""
