"""What one property saw on one case: what was compared, and how far apart it was for what is allowed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from math import inf

import torch
from torch import Tensor

from rnncheck.core.mismatch_text import Origins, digits, number, off_by
from rnncheck.core.pairs import in_pairs, widest
from rnncheck.core.run import Run


@dataclass(frozen=True)
class Comparison:
    """actual against expected, element by element; all three have the same shape, or allowed is one number.

    NaN agrees with NaN only; an infinity only with itself. Where nothing is allowed, equal means equal.

    sides: where both are from, if both are the subject's own; else ``expected`` is what is right
    bound: whether ``expected`` is the end of an interval, which ``actual`` may not pass
    """

    what: str
    actual: Tensor
    expected: Tensor
    allowed: Tensor | float
    axes: tuple[str, ...] = ()
    sides: Origins | None = None
    bound: bool = False

    def ratios(self) -> Tensor:
        """|actual - expected| / allowed, float64: at most 1 where the comparison holds."""
        actual, expected = _in_full(self.actual), _in_full(self.expected)
        allowed = torch.as_tensor(self.allowed, dtype=torch.float64).cpu().expand(actual.shape)
        error = (actual - expected).abs()
        ratios = torch.where(error == 0, 0.0, error / allowed)
        same = (actual == expected) | (actual.isnan() & expected.isnan())
        return torch.where(same | allowed.isinf(), 0.0, ratios.nan_to_num(nan=inf, posinf=inf))

    def worst(self) -> float:
        """The largest ratio; 0 where there is nothing to compare, infinite where the shapes differ."""
        return self._worst

    @cached_property
    def _worst(self) -> float:
        if self.actual.shape != self.expected.shape:
            return inf
        if self.same_bits:
            return 0.0
        return float(self.ratios().max()) if self.actual.numel() else 0.0

    @property
    def same_bits(self) -> bool:
        """Whether all are numbers and equal bit for bit, as most that must be equal are: that is seen in one step."""
        actual, expected = (in_pairs(part.detach()) for part in (self.actual, self.expected))
        return (actual.dtype, actual.device) == (expected.dtype, expected.device) and torch.equal(actual, expected)

    @property
    def decided(self) -> bool:
        """Whether anything is said: not where every number may be off by anything."""
        return self.actual.numel() == 0 or self.exact or not bool(torch.as_tensor(self.allowed).isinf().all())

    @property
    def exact(self) -> bool:
        """Whether nothing is allowed, as one number says: of most comparisons, so that no tensor is made to see it."""
        return not isinstance(self.allowed, Tensor) and self.allowed == 0

    @property
    def along_time(self) -> bool:
        """Whether it can be told step by step."""
        return self.axes[:1] == ("time",) and self.actual.shape == self.expected.shape and self.actual.numel() > 0

    def course(self) -> tuple[tuple[float, float], ...]:
        """(|error|, allowed) at each step, of the element with the largest ratio there; infinite where an error is not a number."""
        error = (_in_full(self.actual) - _in_full(self.expected)).abs()
        allowed = torch.as_tensor(self.allowed, dtype=torch.float64).cpu().expand(error.shape)
        at = self.ratios().flatten(1).argmax(1, keepdim=True)
        picked = (values.flatten(1).gather(1, at).nan_to_num(nan=inf, posinf=inf) for values in (error, allowed))
        return tuple(zip(*(values.flatten().tolist() for values in picked), strict=True))

    def mismatch(self) -> str | None:
        """One line that says where and how far off, or None where the comparison holds."""
        if self.actual.shape != self.expected.shape:
            return f"{self.what} has shape {tuple(self.actual.shape)}, but should have {tuple(self.expected.shape)}"
        ratios = self.ratios()
        wrong = ratios > 1
        if not bool(wrong.any()):
            return None
        # among equally bad elements the largest error is the one to show
        at = tuple(int(i) for i in torch.unravel_index(ratios.argmax(), ratios.shape))
        where = f"({', '.join(f'{axis}={i}' for axis, i in zip(self.axes, at, strict=False))})" if self.axes else str(list(at))
        many = f"{int(wrong.sum())} of {ratios.numel()} elements differ; worst at {where}: " if at else ""
        return f"{self.what}: {many}{self._told(at)}"

    def _told(self, at: tuple[int, ...]) -> str:
        """Both numbers at this place, how far they are apart, and what is right where either may be wrong."""
        actual, expected = self.actual[at].item(), self.expected[at].item()
        allowed = float(torch.as_tensor(self.allowed).expand(self.actual.shape)[at])
        one, other = (number(value, digits(actual, expected)) for value in (actual, expected))
        off = off_by(actual, expected, allowed)
        if self.sides is None:
            return f"{one}, but should be {self._limit(actual, expected)}{other}{off}"
        right = self.sides.right(actual, expected, at)
        return f"{one} {self.sides.actual}, but {other} {self.sides.expected}{off}{right}"

    def _limit(self, actual: float, expected: float) -> str:
        """Which end of an interval it is; nothing where it is none."""
        return "" if not self.bound else "at least " if actual < expected else "at most "


@dataclass(frozen=True)
class Fact:
    """Something that is true or not, without a measure: a shape, a name, a refusal."""

    what: str
    actual: object
    expected: object
    holds: bool
    decided = True

    @property
    def same_bits(self) -> bool:
        """Whether it is true."""
        return self.holds

    def worst(self) -> float:
        """0 or infinite."""
        return 0.0 if self.holds else inf

    def mismatch(self) -> str | None:
        """``x = …, but should be …``, or None; ``x = 1: …`` where the value is named in ``what``."""
        equals = ":" if " = " in self.what else " ="
        return None if self.holds else f"{self.what}{equals} {self.actual}, but should be {self.expected}"


@dataclass(frozen=True)
class Observation:
    """Everything that one property compared on one case; ``a & b`` joins two. An empty one is vacuous, not green."""

    parts: tuple[Comparison | Fact, ...] = ()

    def __and__(self, other: "Observation") -> "Observation":
        return Observation(self.parts + other.parts)

    @cached_property
    def budget_used(self) -> float:
        """The largest |error| / allowed: 0.12 means 12 % of the budget."""
        return max((part.worst() for part in self.parts), default=0.0)

    @property
    def holds(self) -> bool:
        """Whether nothing left what is allowed."""
        return self.budget_used <= 1.0

    @property
    def decided(self) -> bool:
        """Whether any part says anything; where none does, nothing was looked at, and nothing is green."""
        return any(part.decided for part in self.parts)

    @property
    def same_bits(self) -> bool:
        """Whether all that was compared is the same bit for bit, so that no tolerance has to be known."""
        return all(part.same_bits for part in self.parts)

    @property
    def measured(self) -> bool:
        """Whether any allowed difference above zero was involved, so that "budget used" means something."""
        toleranced = (p for p in self.parts if isinstance(p, Comparison) and not p.exact)
        return any(bool((torch.as_tensor(p.allowed) > 0).any()) for p in toleranced)

    def course(self) -> tuple[tuple[float, float], ...] | None:
        """(|error|, allowed) at each time step of the worst comparison along time, where it is farthest off; None without one."""
        along = [part for part in self.parts if isinstance(part, Comparison) and part.along_time]
        worst = max(along, key=Comparison.worst, default=None)
        return None if worst is None else worst.course()

    def mismatches(self) -> list[str]:
        """A line for each part that does not hold."""
        return [line for part in self.parts if (line := part.mismatch()) is not None]


def near(
    what: str,
    actual: Tensor,
    expected: Tensor,
    allowed: Tensor | float | Callable[[], Tensor],
    axes: Iterable[str] = (),
    sides: Origins | None = None,
) -> Observation:
    """Compare ``actual`` with ``expected``, element by element, within ``allowed``.

    Args:
        what: the name of the numbers in a message, such as "output"
        allowed: a function where it is dear to compute: it is called only where the two are not the same bit for bit
        axes: the names of their axes
        sides: where both are from, if ``expected`` is not known to be right
    """
    if callable(allowed):
        seen = identical(what, actual, expected, axes, sides)
        return seen if seen.same_bits else near(what, actual, expected, allowed(), axes, sides)
    return Observation((Comparison(what, actual, expected, allowed, tuple(axes), sides),))


def identical(what: str, actual: Tensor, expected: Tensor, axes: Iterable[str] = (), sides: Origins | None = None) -> Observation:
    """Equal bit for bit (NaN equals NaN)."""
    return near(what, actual, expected, 0.0, axes, sides)


def within(
    what: str,
    actual: Tensor,
    low: Tensor | float,
    high: Tensor | float,
    allowed: Tensor | float = 0.0,
    axes: Iterable[str] = (),
) -> Observation:
    """Check that every element lies in [low, high], up to ``allowed``, and is not NaN.

    Args:
        what: the name of the numbers in a message, such as "output"
        axes: the names of their axes
    """
    low, high = (torch.as_tensor(end, dtype=actual.dtype, device=actual.device) for end in (low, high))
    clamped = torch.minimum(torch.maximum(actual, low), high)
    nearest = torch.where(actual.isnan(), high, clamped)
    return Observation((Comparison(what, actual, nearest, allowed, tuple(axes), bound=True),))


def equal(what: str, actual: object, expected: object) -> Observation:
    """Two plain values are the same: shapes, names, flags, counts."""
    return Observation((Fact(what, actual, expected, bool(actual == expected)),))


def fact(what: str, holds: bool, actual: object, expected: object) -> Observation:
    """Something is true; ``actual`` and ``expected`` are for the reader."""
    return Observation((Fact(what, actual, expected, bool(holds)),))


def both(
    actual: Run,
    expected: Run,
    allowed: Run | float | Callable[[], Run],
    prefix: str = "",
    sides: tuple[str, str] | None = None,
    right: tuple[Run, Run] | None = None,
) -> Observation:
    """Two runs agree in output and final states, within the allowed error of each part.

    allowed: a function where it is dear to compute, as for ``near``
    sides: in words, where each is from, if both are the subject's own
    right: then the truth, and how far one run may be from it, where that is known
    """
    if callable(allowed):
        same = both(actual, expected, 0.0, prefix, sides)
        return same if same.same_bits else both(actual, expected, allowed(), prefix, sides, right)
    seen = Observation()
    for name, value in expected.parts():
        limit = getattr(allowed, name) if isinstance(allowed, Run) else allowed
        other = getattr(actual, name)
        if name != "output" and other is not None and len(other) == 0:  # no final state comes back
            continue
        told = sides and Origins(*sides, *(getattr(part, name) for part in right or ()))
        seen &= (
            near(prefix + name, other, value, limit, Run.AXES[name], told)
            if other is not None
            else equal(prefix + name, None, f"a tensor of shape {tuple(value.shape)}")
        )
    return seen


def _in_full(value: Tensor) -> Tensor:
    """On the CPU, in as many digits as there are; complex numbers stay complex."""
    return widest(value.detach().cpu())


def every(observations: Iterable[Observation]) -> Observation:
    """All of them joined."""
    return Observation(tuple(part for seen in observations for part in seen.parts))


def blame(whole: Observation, parts: Iterable[Observation]) -> Observation:
    """The whole; but where it does not hold, its parts instead, which name what is wrong, if any of them alone does not."""
    if whole.holds:
        return whole
    alone = every(parts)
    return whole if alone.holds else alone
