"""Which outputs depend on which inputs: how to distinguish a sequence, its rows and its direction without any name."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rnncheck.reading.calls.experiment import Unreadable


@dataclass(frozen=True)
class Dependency:
    """What changes when one step of one row of the input changes, each a share from 0 (never as it should) to 1 (always).

    rows:     other rows stay as they are
    forward, reverse: no earlier, or no later, step of the same row changes
    both:     the same of the two halves of the features, one in each direction
    unturned: the same where the second half is turned once, not twice: its input alone, so that the last step comes first, or its
        output alone
    half:     whether one half alone is of one direction: the first reads forwards, or the second reads in reverse
    memory:   whether any other step of the same row changes
    own: how often the same step of the same row changes
    in_order: whether other rows of the same step change, and always later ones, as if rows were steps
    """

    rows: float
    forward: float
    reverse: float
    both: float
    memory: bool
    unturned: float = 0.0
    in_order: bool = False
    own: float = 1.0
    half: bool = False

    @property
    def score(self) -> float:
        """How much this is a recurrence; 4 where nothing contradicts."""
        return 2 * self.memory + self.rows + max(self.forward, self.reverse, self.both)

    @property
    def two_ways(self) -> bool:
        """Whether it is two directions side by side, though the second may not be turned back."""
        return max(self.both, self.unturned) == 1.0 and max(self.forward, self.reverse) < 1.0

    @property
    def everywhere(self) -> bool:
        """Whether it depends on earlier and on later steps, in all features."""
        return max(self.forward, self.reverse, self.both) < 1.0


def dependency(f: Callable[[Tensor], Tensor], x: Tensor) -> Dependency:
    """Return what depends on what in f, from (time, batch, input) to (time, batch, features); time may be the last step alone."""
    before = f(x)
    changed = torch.zeros(*x.shape[:2], *before.shape[:2], 2)  # from (step, row), to (step, row), by halves of the features
    half = (before.shape[2] + 1) // 2  # an odd one in the middle is in both
    for step in range(x.shape[0]):
        for row in range(x.shape[1]):
            other = x.clone()
            other[step, row] = other[step, row] * 0.5 + 0.3
            moved = (f(other) - before).abs() > 1e-9
            changed[step, row, ..., 0] = moved[..., :half].any(-1).float()
            changed[step, row, ..., 1] = moved[..., -half:].any(-1).float()
    return _shares(changed.bool(), x.shape[0])


def _shares(changed: Tensor, steps: int) -> Dependency:
    mixed = changed.any(-1)
    same = torch.eye(changed.shape[1], dtype=torch.bool)[None, :, None, :].expand(mixed.shape)
    source = torch.arange(steps)[:, None, None, None].expand(mixed.shape)
    target = torch.arange(steps)[-mixed.shape[2] :][None, None, :, None].expand(mixed.shape)
    earlier, later = same & (target < source), same & (target > source)

    def untouched(where: Tensor, what: Tensor) -> float:
        return 1.0 - float(what[where].float().mean()) if bool(where.any()) else 1.0

    first, mirror = untouched(earlier, changed[..., 0]), steps - 1 - target
    turned_once = max(untouched(same & (source < mirror), changed[..., 1]), untouched(same & (source > mirror), changed[..., 1]))
    second = untouched(later, changed[..., 1])
    halves, unturned = (first + second) / 2, (first + turned_once) / 2
    memory = bool(mixed[earlier | later].any())
    rows, at_once = untouched(~same, mixed), source == target
    upwards = torch.ones(changed.shape[1], changed.shape[1]).tril(-1).bool()[None, :, None, :].expand(mixed.shape)
    in_order = untouched(~same & at_once, mixed) < 1 and untouched(upwards & at_once, mixed) == 1
    own = 1.0 - untouched(same & at_once, mixed)
    half = [first, second].count(1.0) == 1
    return Dependency(rows, untouched(earlier, mixed), untouched(later, mixed), halves, memory, unturned, in_order, own, half)


def no_recurrence(depends: Dependency, step: bool) -> Unreadable:
    """The refusal of what was built and called, and does not recur; step: whether a call is one step."""
    why = "no step depends on another one, and no state can be given"
    if step:
        why = "a call is one step, and no state goes in and comes back, so that nothing is carried on to the next one"
    if depends.in_order:
        why += ": rows depend on the rows before them, as if they were steps, as where the axes of time and batch are exchanged"
    refusal = Unreadable(f"{why}; wrap it where it is called otherwise")
    refusal.built = True
    return refusal
