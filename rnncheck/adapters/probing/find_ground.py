"""Which case a subject runs on: its layout, its sizes, its states and their axes are tried, the simplest first."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from itertools import product

from torch import Tensor

from rnncheck.adapters.probing.ground import BATCH, TIME, Baseline, ground, reason_not, root, said
from rnncheck.adapters.probing.not_recurrent import NotRecurrent, why_not
from rnncheck.adapters.probing.settle import is_cell, reading_of
from rnncheck.adapters.probing.which_modes import of_its_mode
from rnncheck.core.case import Case, Hx
from rnncheck.core.config import Config, Mode
from rnncheck.core.kinds import OF_ITS_OWN, SIMPLEST
from rnncheck.core.subject import Claim, Malformed, Subject
from rnncheck.running.trial import SubjectError

SIZES = ((4, 7), (4, 6), (8, 8))
"""(input_size, hidden_size): distinct sizes first; some layers take only even or equal ones."""
HX_FORMS: tuple[Hx, ...] = ("none", "zeros")


def find_ground(subject: Subject, dtype: str = "float32") -> Baseline:
    """The simplest case that runs, in float64 where dtypes are mixed otherwise; raises NotRecurrent with the best reason."""
    reasons: list[BaseException] = []
    time = subject.nature.get("taken_steps", TIME)
    for config in _configs(subject):
        for batch, hx in product((BATCH, None) if subject.named is None else _batches(subject), HX_FORMS):
            for form in _forms(subject):
                try:
                    found = ground(form, subject.in_whole_chunks(Case(config, time, batch, hx=hx, dtype=dtype)), ("zeros", "none"))
                except (SubjectError, Malformed) as error:
                    reasons.append(error)
                    continue
                misread = _misread_state(found)
                if misread is None:
                    return of_its_mode(_seen_flat(found))
                reasons.append(Malformed(misread))
    if subject.named is not None:
        raise NotRecurrent(f"it cannot be called as its types say: {said(root(reasons[0]))}")
    if dtype == "float32" and any("dtype" in said(root(reason)) for reason in reasons):
        with suppress(NotRecurrent):
            return find_ground(subject, "float64")
    raise NotRecurrent(why_not(reasons, "cell(x, (h, c)) or cell(x, h)" if is_cell(subject) else "layer(x, hx)"))


def _batches(subject: Subject) -> tuple[int | None]:
    """A batch, where types say that there is one."""
    return (BATCH if subject.offers("batched") else None,)


def _misread_state(found: Baseline) -> str | None:
    """What is wrong with the state that came back; None where it is one tensor, or two in an LSTM's place."""
    nested = [type(part).__name__ for part in found.state if isinstance(part, tuple | list | dict)]
    if nested:
        shapes = "one tensor (layers * directions, batch, hidden_size), or a tuple of two"
        return f"the state that came back has a {nested[0]} inside, but should be {shapes}"
    if found.subject.stateless and not found.state:
        return None
    flat = [tuple(part.shape) for part in found.state if isinstance(part, Tensor) and part.dim() == 2]
    wanted_shape = (found.case.config.states, found.case.config.hidden_size)
    others = [shape for shape in flat if shape != wanted_shape]
    if found.case.batch is None and others:
        return f"the state that came back for one sequence has shape {others[0]}, but should be {wanted_shape}"
    wanted = len(found.case.config.state_sizes)
    if len(found.state) != wanted:
        needed = f"{wanted} ({found.case.config.mode})" if found.subject.modes else "1 or 2 (LSTM)"
        return f"{len(found.state)} tensors of a state returned, but should be {needed}"
    return None


FLAT = Claim(False, "probed", "one layer's states are (batch, size)")
"""How many write a layer of their own, who know nothing of several layers; a layer that is to agree with torch's may not."""


def _forms(subject: Subject) -> tuple[Subject, ...]:
    """With torch's states; and with flat ones, which only a layer that is to agree with no other may have."""
    flat = replace(subject, claims={**subject.claims, "layer_axis": FLAT})
    reading = reading_of(subject)
    if reading is not None and not reading.adapts and reading.parts and all(len(axes) == 2 for axes in reading.called["tensors"]):
        return (flat,)
    return (subject,) if subject.reference is not None or "layer_axis" in subject.claims else (subject, flat)


def _seen_flat(found: Baseline) -> Baseline:
    """The same, its states known to be flat where those that came back are."""
    flat = _forms(found.subject)[-1]
    axes = 1 + (found.case.batch is not None)
    seen = bool(found.state) and all(isinstance(part, Tensor) and part.dim() == axes for part in found.state)
    return replace(found, subject=flat) if seen else found


def _configs(subject: Subject) -> Iterator[Config]:
    """What to try: an LSTM first, unless the mode is known."""
    if subject.named is not None:
        yield Config(subject.modes[0], 1, 1, named=subject.named)
        return
    if subject.fixed is not None:
        yield subject.fixed
        if subject.of_its_own:
            yield subject.fixed.but(mode=OF_ITS_OWN[2])
        return
    options = {field.name for field in fields(Config)}
    nature = {name: value for name, value in subject.nature.items() if name in options}
    for batch_first in (False, True) if reading_of(subject) is None else _majors(subject):
        for input_size, hidden_size in SIZES if "square" not in subject.nature else ((7, 7), (8, 8)):
            for mode in subject.modes or _modes_read(subject):
                yield subject.fitted(Config(mode, input_size, hidden_size, batch_first=batch_first).but(**nature))


def _majors(subject: Subject) -> tuple[bool, ...]:
    reading = reading_of(subject)
    return (False, True) if reading is None or reading.batch_first is None else (reading.batch_first,)


def _modes_read(subject: Subject) -> tuple[Mode, ...]:
    """The modes of as many states as were read."""
    reading = reading_of(subject)
    if reading is None:
        return SIMPLEST[2], SIMPLEST[1]
    return (SIMPLEST[1 + reading.pair],)


def laid_out(start: Baseline, claims: Mapping[str, Claim]) -> Baseline:
    """The simplest case as a batch-major layer wants it, if it is one; and the ways to give hx that work there."""
    major = start.case.config.batch_first or not claims["time_first"].offered
    case = start.case.but(batch_first=major)
    found = replace(start, case=case)
    return replace(found, forms=tuple(hx for hx in start.forms if tried(found, hx).offered) or start.forms)


def tried(start: Baseline, hx: str) -> Claim:
    reason = reason_not(lambda: ground(start.subject, start.case.but(hx=hx), (hx,)))
    return Claim(reason is None, "probed", reason or "")
