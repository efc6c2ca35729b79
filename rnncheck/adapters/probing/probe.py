"""What a subject offers: what it declares, what its signatures say, and what tiny calls show.

A feature in a signature is claimed even if it fails inside: to find that is what the catalog is for. Only a constructor
that refuses the argument takes the claim back. A call that fails shows that a feature is not offered; a call that
succeeds with wrong numbers shows that it is.
"""

import importlib.util
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from torch import Tensor, nn

from rnncheck.adapters.cells import Stepwise
from rnncheck.adapters.clip_functions import probed
from rnncheck.adapters.factory import Constructor
from rnncheck.adapters.instance import Instance
from rnncheck.adapters.pairs import probed_pair
from rnncheck.adapters.probing.constructor_claims import constructor_claims, layout_claims, refusal, variations
from rnncheck.adapters.probing.declared_claims import OWN_EQUATIONS
from rnncheck.adapters.probing.feature_calls import BATCH, CALLS, TIME, Baseline, ground, reason_not, root, said
from rnncheck.adapters.probing.modes import ELMAN, declared_modes, modes_by_parameters, modes_in
from rnncheck.adapters.probing.parameter_claims import TORCHS, load_claims
from rnncheck.adapters.probing.settle import as_read
from rnncheck.adapters.probing.stacked import has_residuals
from rnncheck.adapters.step_functions import probed_step
from rnncheck.core.case import Case, Hx
from rnncheck.core.config import MODES, Config, Mode
from rnncheck.core.kinds import OF_ITS_OWN, RESET_AFTER, SIMPLEST, kind_of, modes_by_states
from rnncheck.core.subject import BIT_FOR_BIT, FEATURES, Claim, Malformed, Subject
from rnncheck.older_torch import why_not_compile
from rnncheck.reading import Reading
from rnncheck.reading.fewer_steps import STEPS, steps_back
from rnncheck.reading.parameter_names import own_parameters
from rnncheck.reading.signature import HxArgument, forward_of, hx_argument, lengths_argument
from rnncheck.reading.target import read_target
from rnncheck.reading.wrappers import skeleton, wrapper
from rnncheck.running.pair import PairReading
from rnncheck.running.trial import SubjectError, subject_boundary

SIZES = ((4, 7), (4, 6), (8, 8))
"""(input_size, hidden_size): distinct sizes first; some layers take only even or equal ones."""


MOST_STEPS = 256
"""Of a chunk that a probe makes whole."""
TORCHS_NAME = re.compile(r"(weight|bias)_(ih|hh|hr)(_l\d+(_reverse)?)?")
HX_FORMS: tuple[Hx, ...] = ("none", "zeros")


class NotRecurrent(Exception):
    """Nothing that could be judged can be run; the message says why."""


class Claims(dict[str, Claim]):
    """The claims of a subject, and the reading under which they were found; None where it is called as torch's layers are."""

    reading: Reading | PairReading | None = None


def probe(subject: Subject) -> Mapping[str, Claim]:
    """A claim for each feature, and for each of torch's modes; what the subject declares goes unprobed.

    Where nothing can be run at all, no feature is offered and "batched" says why.
    """
    with warnings.catch_warnings():
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
    try:
        reading = _read(subject)
        subject = as_read(subject, reading)
        start = _find_ground(subject)
        _require_steps_and_rows(start)
    except NotRecurrent as reason:
        shortened = _shortened(subject)
        if shortened is not None:
            return dict.fromkeys(FEATURES, Claim(False, "probed", shortened))
        return dict.fromkeys(FEATURES, Claim(False, "probed", f"{reason}{_with_wrapper(subject, str(reason))}"))
    refused = _refused_option(start)
    if refused is not None:
        return dict.fromkeys(FEATURES, Claim(False, "probed", refused))
    layout = layout_claims(start)
    start = _laid_out(start, layout)
    claims = {**constructor_claims(start), **_seen_in_calls(start, layout, subject.claims)}
    claims |= load_claims(start, variations(start, claims)) | _promises(start, claims)
    if reading is not None and not claims["load"].offered and subject.reference is None and not _says_what_it_is(start):
        claims |= dict.fromkeys(("equations", "torch_init", "torch_parameters", "last_output"), _unknown(reading))
    if reading is not None and subject.reference is None and not _says_what_it_is(start):
        claims["refusals"] = ONLY_REPLACEMENTS
        if claims["load"].offered and claims["layers"].offered and subject.fixed is None and has_residuals(start):
            reading = replace(reading, nature={**reading.nature, "residual": True})
    found = Claims({**BIT_FOR_BIT, **claims, **start.subject.claims})
    found.reading = reading
    return found


def _refused_option(start: Baseline) -> str | None:
    """The option of a typed recurrence that is refused, with the reason; an option may be fine with as many steps as it says."""
    for name, values in start.subject.choices.items():
        for value in values:
            reasons = [_refused(start, name, value, time) for time in (TIME, *_steps_of(value))]
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


def _says_what_it_is(start: Baseline) -> bool:
    """Whether the class or its parameters say that it is torch's RNN, GRU or LSTM; a name alone does not, nor does a class that
    adds parameters to torch's.
    """
    module, said = _inner(start), getattr(_inner(start), "rnncheck_mode", None)
    names = own_parameters(module).keys()
    torchs = [name for name in names if TORCHS_NAME.fullmatch(name)]
    more = 0 < len(torchs) < len(names)
    return said is not None or (bool(declared_modes(module) or names >= TORCHS) and not more)


def _read(subject: Subject) -> Reading | None:
    """How the target is built and called, by experiment; None where it is known, or where nothing fits."""
    if not isinstance(subject.build, Constructor | Instance):
        return None
    try:
        with subject_boundary("probing"):
            return read_subject(subject)
    except Exception as error:
        if subject.said:
            told = ", ".join(f"{word} = {value}" for word, value in subject.said.items())
            raise NotRecurrent(f"it cannot be read with {told}: {said(root(error))}") from None
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            start = _find_ground(subject)
        except NotRecurrent:
            return {}
        layout = layout_claims(start)
        start = _laid_out(start, layout)
        claims = _seen_in_calls(start, layout, subject.claims)
        return {**claims, **_promises(start, claims), **start.subject.claims}


def _seen_in_calls(start: Baseline, layout: Mapping[str, Claim], declared: Mapping[str, Claim]) -> dict[str, Claim]:
    claims = {**_mode_claims(start), **layout, **_forward_claims(start)}
    claims |= {name: Claim(True, "probed") for name in ("equations", "last_output", "state", "layer_axis", "float32", "sizes")}
    return claims | _module_claims(start) | _call_claims(start, declared) | dict(start.subject.claims)


def _laid_out(start: Baseline, claims: Mapping[str, Claim]) -> Baseline:
    """The simplest case as a batch-major layer wants it, if it is one; and the ways to give hx that work there."""
    major = start.case.config.batch_first or not claims["time_first"].offered
    case = start.case.but(batch_first=major)
    found = replace(start, case=case)
    return replace(found, forms=tuple(hx for hx in start.forms if _tried(found, hx).offered) or start.forms)


# the simplest case that works -----------------------------------------------------------------------------------------


def _find_ground(subject: Subject) -> Baseline:
    """The simplest case that runs; raises NotRecurrent with the reason of the most promising attempt."""
    reasons: list[BaseException] = []
    for config in _configs(subject):
        for batch, hx in product((BATCH, None) if subject.named is None else _batches(subject), HX_FORMS):
            for form in _forms(subject):
                try:
                    found = ground(form, Case(config, TIME, batch, hx=hx), ("zeros", "none"))
                except (SubjectError, Malformed) as error:
                    reasons.append(error)
                    continue
                misread = _misread_state(found)
                if misread is None:
                    return _of_its_mode(_seen_flat(found))
                reasons.append(Malformed(misread))
    if subject.named is not None:
        raise NotRecurrent(f"it cannot be called as its types say: {said(root(reasons[0]))}")
    raise NotRecurrent(_why(reasons, "cell(x, (h, c)) or cell(x, h)" if is_cell(subject) else "layer(x, hx)"))


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
    if len(found.state) != len(found.case.config.state_sizes):
        return f"{len(found.state)} state tensors returned, but should be 1 or 2 (LSTM)"
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
    nature = {
        name: value
        for name, value in subject.nature.items()
        if name not in ("square", "summed", "residual", "looks_back", "idle", "start")
    }
    for batch_first in (False, True) if reading_of(subject) is None else _majors(subject):
        for input_size, hidden_size in SIZES if "square" not in subject.nature else ((7, 7), (8, 8)):
            for mode in subject.modes or _modes_read(subject):
                yield Config(mode, input_size, hidden_size, batch_first=batch_first).but(**nature)


def reading_of(subject: Subject) -> Reading | None:
    """The reading under which the subject is built; None where it is called as torch's layers are."""
    build = subject.build
    return build.reading if isinstance(build, Constructor | Instance) else None


def _majors(subject: Subject) -> tuple[bool, ...]:
    reading = reading_of(subject)
    return (False, True) if reading is None or reading.batch_first is None else (reading.batch_first,)


def _modes_read(subject: Subject) -> tuple[Mode, ...]:
    """The modes of as many states as were read."""
    reading = reading_of(subject)
    if reading is None:
        return SIMPLEST[2], SIMPLEST[1]
    return (SIMPLEST[1 + reading.pair],)


def is_cell(subject: Subject) -> bool:
    """Return whether each call of it is one step."""
    return isinstance(subject.build, Constructor | Instance) and subject.build.is_cell


NO_LAYER = "no recurrent layer as torch's are"


def _why(reasons: list[BaseException], call: str) -> str:
    malformed = next((root(reason) for reason in reasons if isinstance(root(reason), Malformed)), None)
    if malformed is not None:
        return f"{NO_LAYER}: {said(malformed)}; wrap it in a module that returns just that"
    first = reasons[0]
    if isinstance(first, SubjectError) and first.doing == "building":
        why = said(root(first))
        return f"its constructor refuses every configuration: {why}; name a factory (input_size, hidden_size) -> layer"
    why = f"it cannot be called as a recurrent layer: {said(root(first))}"
    return (
        f"{why}; it is called as {call}: wrap what wants another call in a module that takes this one (docs/layers.md shows some)"
    )


def _require_steps_and_rows(start: Baseline) -> None:
    """Raise NotRecurrent where the output has other axes than the input, and a wrapper would give it the right ones."""
    output, build = start.output, start.subject.build
    if reading_of(start.subject) is not None or not isinstance(build, Constructor) or not isinstance(output, Tensor):
        return
    if start.case.batch is not None and output.dim() != 3 and wrapper(build.target.object, None, None):
        raise NotRecurrent(f"the output has shape {tuple(output.shape)} for an input (time, batch, features)")


def _shortened(subject: Subject) -> str | None:
    """Why a layer is refused that returns another number of steps than it is given; None where it does not."""
    build = subject.build
    with subject_boundary("probing"):
        back = steps_back(build.target.object) if isinstance(build, Constructor) and not build.is_cell else None
    if back is None:
        return None
    return (
        f"it returns {back} steps for {STEPS[0]}, but a recurrent layer should return an output for each step; "
        "name the recurrent layer inside it, or a module of what comes behind the change of steps"
    )


def _with_wrapper(subject: Subject, reason: str) -> str:
    """The code of a wrapper, where a class or a factory is refused: one that is read, or one to fill in where it may be a layer."""
    build = subject.build
    if not isinstance(build, Constructor) or build.is_cell or subject.said:
        return ""
    of = build.target.object, build.target.lines, build.target.expression
    with subject_boundary("probing"):
        found = wrapper(*of)
    if found is None and reason.startswith(NO_LAYER):
        return ""
    told = "this wrapper is read" if found else "fill in the dots of this wrapper"
    code = found or skeleton(*of)
    return f"; {told}: wrapped.py, then rnncheck verify wrapped.py:Wrapped\n\n{code}"


def _of_its_mode(found: Baseline) -> Baseline:
    """The same with the subject's modes and the case's mode told apart."""
    reading = reading_of(found.subject)
    arrangement = None if reading is None else reading.arrangement
    modes = (arrangement.mode,) if arrangement is not None else _elman_of(found) or _modes(found)
    if arrangement is not None and kind_of(arrangement.mode).has(RESET_AFTER):
        after = arrangement.reset_after
        found = replace(found, case=found.case.but(mode=arrangement.mode, reset_after=after))
    if not modes or ("parts" in found.subject.nature and not found.subject.of_its_own):
        claims = {**dict.fromkeys(OWN_EQUATIONS, _unknown(reading)), **_still_declared(found.subject.claims)}
        found = replace(found, subject=replace(found.subject, claims=claims))
        modes = (OF_ITS_OWN[max(1, len(found.state))],)
    config = found.case.config if found.case.config.mode in modes else found.case.config.but(mode=modes[0])
    return replace(found, subject=replace(found.subject, modes=modes), case=found.case.but(config=config))


def _still_declared(claims: Mapping[str, Claim]) -> dict[str, Claim]:
    """The claims without those about torch's equations, which are found not to be its own."""
    return {name: claim for name, claim in claims.items() if name == "last_output" or name not in OWN_EQUATIONS}


ONLY_REPLACEMENTS = Claim(False, "signature", "torch's apply to layers that replace torch's: name one with --against")


def _unknown(reading: Reading | None) -> Claim:
    """Nothing is held against torch's equations; what would make them match is said, for a layer that was to have them."""
    why = "its equations match none of torch's, in any order of the gates"
    if reading is not None and reading.nearly is not None:
        name = reading.nearly.partition(",")[0]
        asked = f"name {name} with --against" if name.startswith("torch.") else "look at it"
        why += f"; it is {reading.nearly}: {asked} if that is a mistake"
    return Claim(False, "probed", why)


def _elman_of(found: Baseline) -> tuple[Mode, ...]:
    """The subject's modes; of an Elman network's two, those that its constructor offers."""
    modes = found.subject.modes
    return _elman(found) if set(modes) == set(ELMAN) and found.subject.fixed is None else modes


def _modes(found: Baseline) -> tuple[Mode, ...]:
    """The modes of as many states: declared by the module, counted by its parameters, or spoken of by its name.

    Another recurrence has the shapes of the LSTM, if it has two states, and else of the network whose state is not bounded.
    """
    if found.subject.of_its_own:
        return (OF_ITS_OWN[max(1, len(found.state))],)
    module, config = _inner(found), found.case.config
    by_count = modes_by_parameters(own_parameters(module), config.input_size, config.hidden_size)
    for modes in (declared_modes(module), by_count, modes_in(found.subject.name), modes_in(type(module).__name__)):
        if modes and len(kind_of(modes[0]).states) == max(1, len(found.state)):
            return _elman(found) if set(modes) <= set(ELMAN) else modes
    return modes_by_states(2) if len(found.state) == 2 else ()


def _elman(found: Baseline) -> tuple[Mode, ...]:
    """Both modes where nonlinearity can be chosen; else the one that the output shows."""
    build = found.subject.build
    if isinstance(build, Constructor) and build.signature.takes("nonlinearity") != "no":
        tanh, relu = ELMAN
        return (tanh,) if refusal(found, found.case.config.but(mode=relu)) else ELMAN
    positive = isinstance(found.output, Tensor) and bool((found.output >= 0).all())
    return (ELMAN[positive],)


def _inner(found: Baseline) -> Any:
    """The module that the subject's author wrote."""
    module = found.layer.module
    return module.cell if isinstance(module, Stepwise) else module


# claims ---------------------------------------------------------------------------------------------------------------


def _mode_claims(start: Baseline) -> dict[str, Claim]:
    return {mode: Claim(mode in start.subject.modes, "probed") for mode in MODES}


def _forward_claims(start: Baseline) -> dict[str, Claim]:
    """hx, by the signature of the author's forward."""
    reading = reading_of(start.subject)
    if reading is not None and reading.adapts:
        return _as_read_claims(start, reading)
    forward = forward_of(_inner(start))
    argument, lengths = hx_argument(forward), lengths_argument(forward)
    takes = {"lengths": Claim(lengths is not None, "signature", "" if lengths else "forward takes no lengths")}
    if argument.given == "maybe":
        return takes | {"hx": _tried(start, "zeros"), "hx_none": _tried(start, "none")}
    why = "forward takes no initial state" if argument.given == "no" else ""
    return takes | {"hx": Claim(argument.given == "yes", "signature", why), "hx_none": _needed(argument)}


def _as_read_claims(start: Baseline, reading: Reading) -> dict[str, Claim]:
    """hx and lengths of a layer behind an adapter."""
    called = reading.called
    given, lengths = bool(called["given"]), bool(called["lengths"])
    return {
        "lengths": Claim(lengths, "signature", "" if lengths else "forward takes no lengths"),
        "hx": Claim(given, "signature", "" if given else "no initial state can be given"),
        "hx_none": Claim(not called["needed"], "signature", "the initial state must be given" if called["needed"] else ""),
    }


def _needed(argument: HxArgument) -> Claim:
    why = "forward has no default for the initial state" if argument.needed else ""
    return Claim(not argument.needed, "signature", why)


def _tried(start: Baseline, hx: str) -> Claim:
    reason = reason_not(lambda: ground(start.subject, start.case.but(hx=hx), (hx,)))
    return Claim(reason is None, "probed", reason or "")


def _module_claims(start: Baseline) -> dict[str, Claim]:
    """What every module offers: torch.compile runs what it cannot compile as it is, where it takes this Python."""
    module = isinstance(start.layer.module, nn.Module)
    why = "" if module else "it is not a torch.nn.Module"
    refused = why_not_compile()
    compiles = Claim(False, "probed", refused) if module and refused else Claim(module, "signature", why)
    return {"module": Claim(module, "signature", why), "compile": compiles}


def _promises(start: Baseline, claims: Mapping[str, Claim]) -> dict[str, Claim]:
    """What follows from what it is: torch's initialization of torch's layers, ONNX of what can be exported."""
    torchs = isinstance(_inner(start), nn.RNNBase | nn.RNNCellBase)
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    onnx = f"needs {' and '.join(missing)}, not installed" if missing else claims["export"].why
    return {
        "torch_init": Claim(torchs, "signature", "" if torchs else "no subclass of torch's, and not declared"),
        "onnx": Claim(not missing and claims["export"].offered, "probed", onnx),
    }


def _call_claims(start: Baseline, declared: Mapping[str, Claim]) -> dict[str, Claim]:
    """The features that only a call can show; a fixed instance's packed input is tried as it is."""
    reasons = {
        feature: reason_not(lambda call=call: call(start))  # type: ignore[misc]
        for feature, call in CALLS.items()
        if feature not in declared
    }
    return {feature: Claim(reason is None, "probed", reason or "") for feature, reason in reasons.items()}
