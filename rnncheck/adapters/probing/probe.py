"""What a subject offers: what it declares, what its signatures say, and what tiny calls show.

A feature in a signature is claimed even if it fails inside: to find that is what the catalog is for. Only a constructor
that refuses the argument takes the claim back. A call that fails shows that a feature is not offered; a call that
succeeds with wrong numbers shows that it is.
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rnncheck.adapters.clip_functions import probed
from rnncheck.adapters.factory import Constructor
from rnncheck.adapters.instance import Instance
from rnncheck.adapters.pairs import probed_pair
from rnncheck.adapters.probing.call_claims import claims_of_calls, promises
from rnncheck.adapters.probing.constructor_claims import constructor_claims, layout_claims, variations
from rnncheck.adapters.probing.directions import Directions, directions_of
from rnncheck.adapters.probing.find_ground import find_ground, laid_out
from rnncheck.adapters.probing.ground import Baseline, ground, reason_not, root, said
from rnncheck.adapters.probing.modes import modes_in
from rnncheck.adapters.probing.none_parts import Nones, nones_of, with_nones
from rnncheck.adapters.probing.not_recurrent import (
    NAME_A_FACTORY,
    REFUSES,
    NotRecurrent,
    require_sizes,
    require_steps_and_rows,
    why_shortened,
    with_wrapper,
)
from rnncheck.adapters.probing.parameter_claims import load_claims
from rnncheck.adapters.probing.positions import positions_of
from rnncheck.adapters.probing.settle import as_read
from rnncheck.adapters.probing.stacked import OF_ITS_OWN, joined_by
from rnncheck.adapters.probing.state_as_output import adds_to_its_output
from rnncheck.adapters.probing.which_modes import says_what_it_is, without_equations
from rnncheck.adapters.probing.whole_chunks import Steps, steps_of, with_steps
from rnncheck.adapters.step_functions import probed_step
from rnncheck.backend.silence import silent_operators
from rnncheck.core.features import FEATURES
from rnncheck.core.plain_text import one_line
from rnncheck.core.subject import BIT_FOR_BIT, Claim, Subject
from rnncheck.reading import Reading
from rnncheck.reading.calls.experiment import Unreadable
from rnncheck.reading.one_row import ONE_ROW
from rnncheck.reading.target import read_target
from rnncheck.running.pair import PairReading
from rnncheck.running.trial import subject_boundary

ONLY_REPLACEMENTS = Claim(False, "signature", "torch's apply to layers that replace torch's: name one with --against")
MOST_STEPS = 256
"""Of a chunk that a probe makes whole."""


class Claims(dict[str, Claim]):
    """The claims of a subject, and the reading under which they were found; None where it is called as torch's layers are.

    directions: how a typed recurrence reads sequences
    steps:      which numbers of steps it takes
    nones:      what of its states comes back as None
    positions:  the arguments that say how many steps come before a call
    """

    reading: Reading | PairReading | None = None
    directions: Directions = Directions()
    steps: Steps = Steps()
    nones: Nones = Nones()
    positions: tuple[str, ...] = ()


def probe(subject: Subject) -> Mapping[str, Claim]:
    """A claim for each feature, and for each of torch's modes; what the subject declares goes unprobed.

    Where nothing can be run at all, no feature is offered and "batched" says why.
    """
    with silent_operators(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if subject.kind == "pair":
            return _probe_pair(subject)
        if subject.kind == "step":
            return probed_step(subject).claims
        return probed(subject).claims if subject.kind == "clip" else _probe_layer(subject)


def _probe_pair(subject: Subject) -> Mapping[str, Claim]:
    reading, claims = probed_pair(subject)
    found = Claims(claims)
    found.reading = reading
    return found


def _probe_layer(subject: Subject) -> Mapping[str, Claim]:
    unread: list[str] = []
    try:
        reading = _read(subject, unread)
        nones = nones_of(subject)
        subject = with_nones(subject, nones)
        steps = steps_of(subject)
        subject = with_steps(as_read(subject, reading), steps)
        start = find_ground(subject)
        require_steps_and_rows(start)
        require_sizes(start)
    except NotRecurrent as reason:
        why = unread[0] if unread and (str(reason).startswith(REFUSES) or unread[0].startswith(ONE_ROW)) else str(reason)
        why = why_shortened(subject) or why
        return _nothing(f"{why}{with_wrapper(subject, why)}")
    refused = _refused_option(start)
    if refused is not None:
        return _nothing(refused)
    found = _claims(start, reading, subject)
    found.directions, found.steps, found.nones = directions_of(start), steps, nones
    found.positions = () if found.directions.backward or found.directions.both else positions_of(start)
    return found


def _nothing(why: str) -> Mapping[str, Claim]:
    return dict.fromkeys(FEATURES, Claim(False, "probed", why))


def _claims(start: Baseline, reading: Reading | None, subject: Subject) -> Claims:
    """All claims of a layer that can be run; what is torch's own is not asked of a layer that is only read as one."""
    layout = layout_claims(start)
    start = laid_out(start, layout)
    claims = {**constructor_claims(start), **claims_of_calls(start, layout, subject.claims)}
    claims |= load_claims(start, variations(start, claims)) | promises(start, claims)
    if reading is not None and not subject.must_be_torchs and not says_what_it_is(start):
        claims["refusals"] = ONLY_REPLACEMENTS
        if not claims["load"].offered:
            claims |= without_equations(start, ("equations", "torch_init", "torch_parameters", "last_output"), reading)
        if claims["layers"].offered and subject.fixed is None and (joint := _joined_by(start, claims)):
            reading = replace(reading, nature={**reading.nature, "joined": joint})
    found = Claims({**BIT_FOR_BIT, **claims, **start.subject.claims})
    found.reading = reading
    return found


def _joined_by(start: Baseline, claims: Mapping[str, Claim]) -> str | None:
    """What joins several layers otherwise than torch's, in words; connections of its own where only the final states show it."""
    if claims["load"].offered:
        return joined_by(start)
    return OF_ITS_OWN if claims["last_output"].offered and adds_to_its_output(start) else None


def _refused_option(start: Baseline) -> str | None:
    """The option of a typed recurrence that is refused, with the reason; an option may be fine with as many steps as it says."""
    for name, values in start.subject.choices.items():
        for value in values:
            reasons = [_refused(start, name, value, time) for time in (start.case.time, *_steps_of(value))]
            if all(reasons):
                return f"{name} = {value!r} is refused: {reasons[0]}; leave it out of the values that {name} may have"
    return None


def _steps_of(value: Any) -> tuple[int, ...]:
    """Return lengths of one and of two whole chunks, where the value of an option can be a chunk size."""
    return (value, 2 * value) if type(value) is int and 0 < value <= MOST_STEPS else ()


def _refused(start: Baseline, name: str, value: Any, time: int) -> str | None:
    config = start.case.config
    case = start.case.but(named=config.named and config.named.but_options(**{name: value}), time=time)
    return reason_not(lambda: ground(start.subject, case, start.forms))


def _read(subject: Subject, unread: list[str]) -> Reading | None:
    """How the target is built and called, by experiment; None where it is known, or where nothing fits.

    unread: takes the reason, where nothing fits
    """
    if not isinstance(subject.build, Constructor | Instance):
        return None
    try:
        with subject_boundary("probing"):
            return read_subject(subject)
    except Exception as error:
        if isinstance(subject.build, Instance) and subject.build.untold:
            raise NotRecurrent(subject.build.untold) from None
        if subject.said:
            told = ", ".join(f"{word} = {value}" for word, value in subject.said.items())
            raise NotRecurrent(f"it cannot be read with {told}: {said(root(error))}") from None
        why = root(error)
        if isinstance(why, Unreadable):
            built = "it is built, but cannot be called as a recurrent layer" if why.built else REFUSES
            told = f"{built}: {one_line(why)}{'' if why.built else NAME_A_FACTORY}"
            unread.append(one_line(why) if str(why).startswith(ONE_ROW) else told)
        return None  # what is wrong is said by the calls that follow


def read_subject(subject: Subject) -> Reading | None:
    """Return how the target of a subject is built and called; None where that is as torch's layers are."""
    build = subject.build
    reference = () if subject.reference is None else subject.reference.modes or modes_in(subject.reference.name)
    return read_target(build.target.object, subject.fixed, cell_first=build.is_cell, reference=reference, said=subject.said)


def probe_calls(subject: Subject) -> Mapping[str, Claim]:
    """Return what calls alone show, without other options of the constructor and without loading parameters; {} if nothing can
    be called.
    """
    with silent_operators(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            start = find_ground(with_steps(subject, steps_of(subject)))
        except NotRecurrent:
            return {}
        layout = layout_claims(start)
        start = laid_out(start, layout)
        claims = claims_of_calls(start, layout, subject.claims)
        return {**claims, **promises(start, claims), **start.subject.claims}
