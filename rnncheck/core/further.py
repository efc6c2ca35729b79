"""An argument of a call that is neither input nor state nor lengths, and which values it takes."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Further:
    """A further argument: its name, shape and values.

    shape:     "steps" (time, batch), "steps 1", "features", "hidden" (one, input_size or hidden_size numbers a step), "rows"
               (batch), "rows 1", "vector" (hidden_size numbers a sequence), "memory" (two vectors a sequence, or two ids), "memory
               mask" (a number for each of the two), or the same with "first"
    kind:      "float", "bool" or "long"
    low, high: the bounds of its values; where low is 0 it takes these two alone
    neutral:   what it is filled with in all other calls; None where it is left out there
    resets:    of flags, whether the state is forgotten "before" a step or "after" it; "" where it is none
    flat:      whether steps and rows are one axis, where it has a value for each step
    moves:     whether any of its values is seen to change a result
    """

    name: str
    shape: str
    kind: str
    low: float
    high: float
    neutral: float | None = None
    resets: str = ""
    moves: bool = True
    flat: bool = False

    @property
    def has_steps(self) -> bool:
        """Whether it has a value for each step."""
        return self.shape in ("steps", "steps 1", "features", "hidden")

    @property
    def axis_of_rows(self) -> int:
        """The axis that has one place for each sequence."""
        return int(self.has_steps or self.shape in ("memory first", "memory mask first"))

    def sizes(self, time: int, batch: int, features: int, hidden: int) -> tuple[int, ...]:
        """Its shape, with time first.

        >>> Further("dt", "steps 1", "float", 0.2, 0.8).sizes(5, 3, 2, 4)
        (5, 3, 1)
        >>> Further("encoded", "memory first", "float", 0.2, 0.8).sizes(5, 3, 2, 4)
        (2, 3, 4)
        """
        sizes = {"steps": (), "steps 1": (1,), "features": (features,), "hidden": (hidden,), "rows": (), "rows 1": (1,)}
        looked_up = () if self.kind == "long" else (hidden,)
        sizes |= {"vector": (hidden,), "memory": (2, *looked_up), "memory first": looked_up}
        sizes |= {"memory mask": (2,), "memory mask first": ()}
        front = (time,) if self.has_steps else (2,) if self.axis_of_rows else ()
        return (*front, batch, *sizes[self.shape])

    def dtype(self, of_input: torch.dtype) -> torch.dtype:
        """The dtype of its values, beside an input of this dtype."""
        return {"bool": torch.bool, "long": torch.long}.get(self.kind, of_input)

    def leaving_one(self, values: torch.Tensor) -> torch.Tensor:
        """These values; a mask of what is looked up leaves the first of each sequence as it is: something must be left."""
        if self.shape in ("memory mask", "memory mask first"):
            values.select(1 - self.axis_of_rows, 0).fill_(self.neutral or 0.0)
        return values

    def laid_out(self, values: torch.Tensor, batch_first: bool) -> torch.Tensor:
        """These values with their axes as a call has them: rows first, or in one axis with the steps."""
        if not self.has_steps:
            return values
        values = values.transpose(0, 1) if batch_first else values
        return values.flatten(0, 1) if self.flat else values

    @property
    def looked_at(self) -> bool:
        """Whether properties of its own say something of it: of one that changes nothing they cannot."""
        return self.moves or bool(self.resets)

    @property
    def words(self) -> str:
        """What is known of it, in words."""
        return f"{self.name}, the state is forgotten {self.resets} such a step" if self.resets else self.name
