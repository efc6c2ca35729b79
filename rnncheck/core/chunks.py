"""Which numbers of steps a recurrence takes that works in whole chunks of steps alone, or in halves of halves."""

from math import lcm

Chunks = tuple[int, bool]
"""A number, and whether a call takes a power of two times it, as of a scan over a tree, or any multiple of it."""


def fit(time: int, chunks: Chunks) -> bool:
    """Return whether this number of steps is one of them.

    >>> [time for time in range(1, 17) if fit(time, (4, False))], [time for time in range(1, 17) if fit(time, (4, True))]
    ([4, 8, 12, 16], [4, 8, 16])
    """
    each, doubled = chunks
    count, rest = divmod(time, each)
    return rest == 0 and (count.bit_count() == 1 or not doubled)


def of_both(one: Chunks, other: Chunks) -> Chunks | None:
    """Return the numbers of steps that are among both; None where no number is.

    >>> of_both((4, False), (6, False)), of_both((4, False), (2, True)), of_both((6, False), (2, True))
    ((12, False), (4, True), None)
    """
    each = lcm(one[0], other[0])
    if not all(fit(each, chunks) for chunks in (one, other)):
        return None
    return each, one[1] or other[1]


def in_words(chunks: Chunks, single: bool) -> str:
    """Return which numbers they are; single: whether one step alone is taken, too.

    >>> in_words((16, False), False), in_words((2, True), True), in_words((4, True), False), in_words((6, True), False)
    ('multiples of 16', 'powers of two', 'powers of two from 4 on', '6 times a power of two')
    """
    each, doubled = chunks
    if not doubled:
        return f"multiples of {each}"
    if each.bit_count() > 1:
        return f"{each} times a power of two"
    return "powers of two" if each == 2 and single else f"powers of two from {each} on"
