"""Which numbers of steps a typed recurrence takes, by experiment: all of them, or only multiples of one, or powers of two."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rnncheck.adapters.forms import Form
from rnncheck.adapters.probing.ground import BATCH, TIME, ground, reason_not
from rnncheck.adapters.probing.refusals import how_it_fails
from rnncheck.adapters.typed import TypedBuild
from rnncheck.core.case import Case
from rnncheck.core.chunks import Chunks, of_both
from rnncheck.core.config import Config
from rnncheck.core.subject import Subject
from rnncheck.errors import UsageError

ANY = (TIME, 7)
"""Two numbers of steps; no chunk divides both."""
CHUNKS = (*range(2, 9), 10, 12, 16, 20, 24, 32, 48, 64, 96, 100, 128, 256)
"""Sizes of chunks that are tried, the smallest first."""


@dataclass(frozen=True)
class Steps:
    """Which numbers of steps are taken.

    each:   multiples of this one
    doubled: only those that are a power of two times this one, as of a scan that halves them
    single: whether one step alone is taken, too
    forms:  by the names of its forms that take multiples alone, of which number, and whether they are doubled, too
    why:    how any other number is refused
    taken:  a number of steps that is taken, where others end in a mistake
    """

    each: int = 1
    doubled: bool = False
    single: bool = False
    forms: Mapping[str, Chunks] = field(default_factory=dict)
    why: str = ""
    taken: int = TIME


def steps_of(subject: Subject) -> Steps:
    """Return which numbers of steps a typed recurrence takes, and each of its forms."""
    if not isinstance(subject.build, TypedBuild) or subject.named is None:
        return Steps()
    each, doubled = _chunk(subject)
    forms = {name: _in_form(subject, form) for name, form in subject.forms.items()}
    forms = {name: found for name, found in forms.items() if found[0] > 1}
    if each == 1:
        return Steps(forms=forms)
    if not _whole_chunks(subject, each, doubled):
        return Steps(forms=forms, taken=each if _takes_multiples(subject, each, 2) else TIME)
    return Steps(each, doubled, _refused(subject, 1) is None, forms, _refused(subject, TIME) or "")


def with_steps(subject: Subject, found: Steps) -> Subject:
    """Return the subject with the numbers of steps that it takes."""
    if found.forms:
        subject = replace(subject, nature={**subject.nature, "steps_of_forms": found.forms})
    if found.each == 1:
        return subject if found.taken == TIME else replace(subject, nature={**subject.nature, "taken_steps": found.taken})
    nature = {**subject.nature, "steps": found.each, "doubled_steps": found.doubled, "single_steps": found.single}
    subject, one = replace(subject, nature=nature), "1 or " if found.single and not found.doubled else ""
    told = f"numbers of steps other than {one}{subject.steps_in_words}: {found.why}"
    return replace(subject, not_looked_at=(*subject.not_looked_at, told))


def in_chunks_of_both(subject: Subject, reference: Subject) -> Subject:
    """Return the subject with the numbers of steps that its reference takes, too: no other case could show that they agree."""
    shared = of_both(subject.chunks, reference.chunks)
    if shared is None:
        raise UsageError(f"{subject.name} takes numbers of steps that are {subject.steps_in_words}, and {reference.name} such that "
                         f"are {reference.steps_in_words}: no case fits both, so name another with --against")  # fmt: skip
    if shared == subject.chunks:
        return subject
    single = subject.takes_steps(1) and reference.takes_steps(1)
    return with_steps(subject, Steps(*shared, single, why=f"{reference.name} refuses them"))


def _in_form(subject: Subject, form: Form) -> Chunks:
    """Return which numbers of steps one of its forms takes."""
    assert isinstance(subject.build, TypedBuild)
    subject = replace(subject, build=subject.build.in_form(form))
    each, doubled = _chunk(subject)
    return (each, doubled) if each == 1 or _whole_chunks(subject, each, doubled) else (1, False)


def _whole_chunks(subject: Subject, each: int, doubled: bool) -> bool:
    """Whether it takes whole chunks alone: it says so itself where it refuses others, or all others fail and all multiples do not.

    A result of another size is no refusal: it is what a part of a chunk lets out of it that is dropped.
    """
    near = (1, 2, 3, *ANY, each // 2, each - 1, each + 1, each + each // 2, 3 * each - 1, 3 * each + 1)
    others = {time for time in near if time > 0 and time % each}
    failed = {time: kinds for time in others if (kinds := set(_failures(subject, time)))}
    kinds = {kind for found in failed.values() for kind in found}
    if "other result" in kinds:
        return False
    return "crashed" not in kinds or (not doubled and failed.keys() == others and _takes_multiples(subject, each, 3))


def _takes_multiples(subject: Subject, each: int, most: int) -> bool:
    return all(_refused(subject, count * each) is None for count in range(1, most + 1))


def _chunk(subject: Subject) -> Chunks:
    """Return the smallest number of steps that is taken where one beyond three times as many is not; 1 where there is none.

    It is doubled where four times as many are taken, and three times as many are not.
    """
    taken = [time for time in ANY if _refused(subject, time) is None]
    if len(taken) == len(ANY):
        return 1, False
    fitting = (chunk for chunk in CHUNKS if all(time % chunk == 0 for time in taken))
    chunk = next((chunk for chunk in fitting if _refused(subject, chunk) is None), 1)
    if chunk == 1 or _refused(subject, 3 * chunk + 1) is None:
        return 1, False
    return chunk, _refused(subject, 3 * chunk) is not None and _refused(subject, 4 * chunk) is None


def _failures(subject: Subject, time: int) -> Iterator[str]:
    """How calls with this number of steps fail, each with another value of an option."""
    for case in one_call_of_each(subject, time):
        found = how_it_fails(lambda case=case: ground(subject, case, (case.hx,)))  # type: ignore[misc]
        if found is not None:
            yield found[0]


def _refused(subject: Subject, time: int) -> str | None:
    """Why a call with this number of steps is refused with one of the options; None where none refuses it."""
    reasons = (reason_not(lambda case=case: ground(subject, case, (case.hx,))) for case in one_call_of_each(subject, time))  # type: ignore[misc]
    return next((reason for reason in reasons if reason is not None), None)


def one_call_of_each(subject: Subject, time: int) -> Iterator[Case]:
    """Yield one call with each value of each option."""
    assert subject.named is not None
    options: list[dict[str, Any]] = [{name: value} for name, values in subject.choices.items() for value in values]
    for chosen in options or [{}]:
        config = Config(subject.modes[0], 1, 1, named=subject.named.but_options(**chosen))
        yield Case(config, time, BATCH if subject.offers("batched") else None, hx="none" if subject.offers("hx_none") else "zeros")
