"""What is wrong with lengths in a recurrence of its own: where a batch is right without them, one change explains the rest."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rnncheck.catalog.lengths import longer, unpadded
from rnncheck.catalog.tools.follow_ups import pick, rows, side_by_side, steps_inside
from rnncheck.core.run import Run
from rnncheck.judging.between_calls import NO_ANSWER, STEPS, generic
from rnncheck.running.trial import Trial

LENGTHS = (3, STEPS, 4)
"""Of the three rows of the generic case: sorting them a second time does not undo the first, and the first is not the longest."""
LAST = "what comes back of a sequence is of the last step of the padding, not of its own last step"
EARLY, LATE = "each sequence ends one step too early", "each sequence ends one step too late"
FIRST = "all sequences end where the first one does"
LOST = "the final state of a sequence that ends before the longest one is zero"
DATA = "the padding is read as if it were data"
FROM_THE_PADDING = "the half that reads from the end begins in the padding"
NOT_WITHIN = "the half that reads from the end is turned back together with the padding"
SORTED = "{} are left in the order of the sorted sequences"
TURNED = "the mask is turned round: the padding is read, and the sequences are not"


@dataclass(frozen=True)
class _Change:
    """A change in words, what comes back with it, and of which steps (time, batch) of the output it says so."""

    words: str
    run: Run
    steps: Tensor


def of_lengths(trial: Trial) -> str | None:
    """Return what is wrong where lengths are given, if exactly one change explains it; None where it is wrong without them too."""
    if trial.lengths is None or trial.subject.named is not None:
        return None
    try:
        t = generic(trial, LENGTHS)
        t = t if t.subject.offers("hx") else t.but(state=None)
        seen = _Seen(t)
        if seen.is_as(_Change("", seen.alone, seen.inside)) or not _is_right_without(t):
            return None
        found = {change.words for change in seen.changes() if seen.is_as(change)}
    except NO_ANSWER:
        return None
    return found.pop() if len(found) == 1 else None


def _is_right_without(t: Trial) -> bool:
    """Whether a batch without lengths gives each sequence what it gives alone."""
    whole = t.but(lengths=None)
    return whole.same(side_by_side(rows(whole, [row]).run for row in range(t.batch))).holds


class _Seen:
    """What comes back in the generic case, and what each change would make of it.

    Of a layer that returns its last output alone, the output is that of each sequence's last step.
    """

    def __init__(self, t: Trial) -> None:
        self.t, self.n, self.last = t, torch.tensor(LENGTHS), bool(t.subject.nature.get("last"))
        self.whole = t.but(x=t.x.where(steps_inside(t)[..., None], 0.0), lengths=None)  # unpacked, the padding is zeros
        self.alone = self._told(side_by_side(longer(unpadded(t, row).run, t.time) for row in range(t.batch)), self.n)
        own = torch.arange(t.time)[:, None] == self.n - 1
        self.inside = own if self.last else steps_inside(t).cpu()

    def _told(self, run: Run, end: Tensor, order: list[int] | None = None) -> Run:
        """The run; where the last output alone comes back, that of these ends and rows, at each sequence's own last step."""
        if not self.last:
            return run
        output, row = torch.zeros_like(run.output), torch.arange(self.t.batch)
        output[self.n - 1, row] = run.output[end - 1, row] if order is None else run.output[end[order] - 1, order]
        return Run(output, *run.state)

    def is_as(self, change: _Change) -> bool:
        """Whether this is what comes back."""
        inside = change.steps[..., None].to(self.t.x.device)
        runs = (change.run, self._told(self.t.run, self.n))
        expected, seen = (Run(run.output.where(inside, 0.0), *run.state) for run in runs)
        return self.t.same(expected, other=seen).holds

    def changes(self) -> Iterator[_Change]:
        """Each change, with what comes back under it."""
        alone, time = self.alone, self.t.time
        states = not self.t.subject.stateless
        if states or self.last:
            early, full = self.n - 1, self.n == time  # a mask of the next step hides no last step of the longest sequence
            ends = ((DATA if self.last else LAST, time), (EARLY, early), (EARLY, early + full.long()),
                    (LATE, (self.n + 1).clamp(max=time)), (FIRST, LENGTHS[0]))  # fmt: skip
            for words, end in ends:
                yield self._ending(words, torch.as_tensor(end).expand(self.t.batch))
        if states:
            ended = (self.n == time)[None, :, None].to(self.t.x.device)
            yield _Change(LOST, Run(alone.output, *(part.where(ended, 0.0) for part in alone.state)), self.inside)
            yield self._turned()
        yield from self._sorted(states)
        yield from self._both_ways(states) if not self.last else ()

    def _ending(self, words: str, end: Tensor) -> _Change:
        """Each sequence ends there; the output of its last step may be hidden, or another."""
        each = ((rows(self.whole, [row]), int(end[row])) for row in range(self.t.batch))
        run = side_by_side(longer(one.but(x=one.x[:steps]).run, self.t.time) for one, steps in each)
        if self.last:
            return _Change(words, self._told(run, end), self.inside)
        at = torch.arange(self.t.time)[:, None]
        return _Change(words, Run(self.alone.output, *self._forward_of(run)), at < torch.minimum(end, self.n - 1))

    def _forward_of(self, run: Run, reverse: Run | None = None) -> tuple[Tensor, ...]:
        """The run's final states, those of the reverse direction from another run, or as they should be."""
        if not self.t.config.bidirectional:
            return run.state
        states = zip(run.state, (reverse or self.alone).state, strict=True)
        return tuple(torch.stack([own[::2], other[1::2]], 1).flatten(0, 1) for own, other in states)

    def _turned(self) -> _Change:
        """The steps of the padding are read, and no others."""
        states = []
        for row, length in enumerate(LENGTHS):
            one = rows(self.whole, [row])
            states.append(one.but(x=one.x[length:]).run.state if length < self.t.time else one.given_state)
        joined = (torch.cat(parts, 1) for parts in zip(*states, strict=True))
        return _Change(TURNED, Run(self.alone.output, *joined), torch.zeros_like(self.inside))

    def _sorted(self, states: bool) -> Iterator[_Change]:
        """Rows come back as they were sorted."""
        order, alone = self.n.argsort(descending=True).tolist(), self.alone
        moved, both = pick(alone, order), self.inside & self.inside[:, order]
        if self.last:
            moved, both = Run(self._told(alone, self.n, order).output, *moved.state), self.inside
        yield _Change(SORTED.format("results"), moved, both)
        if states:
            yield _Change(SORTED.format("final states"), Run(alone.output, *moved.state), self.inside)
            yield _Change(SORTED.format("outputs"), Run(moved.output, *alone.state), both)

    def _both_ways(self, states: bool) -> Iterator[_Change]:
        """The padding reaches outputs before it: through the half that reads from the end, or in all of them."""
        whole, alone, time = self.whole.run, self.alone, self.t.time
        both = self.t.config.bidirectional
        if states if both else not self.is_as(_Change("", Run(alone.output, *whole.state), self.inside)):
            yield _Change(DATA, whole, self.inside)
        if both:
            forward, back = alone.output.chunk(2, -1)
            _, begun = whole.output.chunk(2, -1)
            yield _Change(FROM_THE_PADDING, Run(torch.cat([forward, begun], -1), *self._forward_of(alone, whole)), self.inside)
            late = torch.stack([back[:, row].roll(time - length, 0) for row, length in enumerate(LENGTHS)], 1)
            read = self.inside & (torch.arange(time)[:, None] >= time - self.n)
            yield _Change(NOT_WITHIN, Run(torch.cat([forward, late], -1), *self._forward_of(alone, self.t.run)), read)
