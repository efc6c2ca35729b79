"""How large a case that comes from a file may be: what no machine can build is refused by name, before it is built."""

from collections.abc import Mapping

from rnncheck.core.plain_text import quoted
from rnncheck.core.typed import NotTyped

MOST_LAYERS = 4_096
MOST_STEPS = 10_000_000
MOST_COUNT = 2**31 - 1
"""Of features, sequences, and elements along one axis."""
MOST_NUMBERS = 2**40
"""In all tensors of a case together: eight terabytes in double precision."""
MOST_SEED = 2**63 - 1
LIMITS: Mapping[str, int] = {"num_layers": MOST_LAYERS, "time": MOST_STEPS}
BYTES_EACH = 48
"""While a number is drawn: four integers, a sum, and the double that it becomes; a run and its truth need no more."""


def check_counts(counts: Mapping[str, int | None]) -> None:
    """Raise NotTyped where a count is larger than anything that can be built, or negative."""
    for name, count in counts.items():
        most = LIMITS.get(name, MOST_COUNT)
        if count is not None and not 0 <= count <= most:
            raise NotTyped(f"{name} = {quoted(count)}, but should be a whole number from 0 to {most}")


def check_seed(seed: int) -> None:
    """Raise NotTyped on a seed that torch does not take."""
    if not 0 <= seed <= MOST_SEED:
        raise NotTyped(f"seed = {quoted(seed)}, but should be a whole number from 0 to {MOST_SEED}")


def check_numbers(numbers: int) -> None:
    """Raise NotTyped where a case has more numbers than any machine holds."""
    if numbers > MOST_NUMBERS:
        raise NotTyped(f"it has {numbers:.3g} numbers, but should have at most {MOST_NUMBERS:.3g}")
