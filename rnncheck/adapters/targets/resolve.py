"""From what a person names (a class, factory, instance, cell, clip function, step, or words for one) to Subjects."""

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

import rnncheck.nn
from rnncheck.adapters.clip_functions import clip_function, torch_clip
from rnncheck.adapters.factory import Constructor
from rnncheck.adapters.forms import declared_forms
from rnncheck.adapters.instance import Instance, config_or_reason
from rnncheck.adapters.pairs import is_example, pair_of
from rnncheck.adapters.probing.declared_claims import declared_claims
from rnncheck.adapters.probing.feature_calls import TORCHS_OPTIONS
from rnncheck.adapters.probing.modes import declared_modes
from rnncheck.adapters.probing.probe import probe
from rnncheck.adapters.step_functions import FORM, is_step, step_function
from rnncheck.adapters.targets.known_deviations import known_deviations
from rnncheck.adapters.targets.locate import Located, described, locate
from rnncheck.adapters.targets.typed_names import TypedName
from rnncheck.adapters.torch_layers import OF_TORCH, torch_like
from rnncheck.adapters.typed import as_reference, read_typed
from rnncheck.clip import clip_grad_norm_
from rnncheck.core.config import Mode
from rnncheck.core.kinds import by_name
from rnncheck.core.subject import Claim, Subject
from rnncheck.errors import UsageError
from rnncheck.nn import layers
from rnncheck.reading.said import NOTHING, Said, checked
from rnncheck.reading.signature import Signature
from rnncheck.reading.typed import is_typed
from rnncheck.reading.typed.hint import without_types
from rnncheck.reading.typed.stub import has_body

__all__ = ["known_deviations", "probe", "subjects"]

KINDS = ("layer", "cell", "clip", "step", "pair")
TORCHS = OF_TORCH
OURS: Mapping[Any, tuple[Mode, ...]] = {layers.OURS[name]: modes for name, modes in by_name().items()}
"""Layers whose claims are known, so that they need no probing; a test probes them all the same."""
NO_SCRIPT = Claim(False, "declared", "TorchScript does not read its Python")
BEFORE = {"reset_after": Claim(False, "declared"), "reset_before": Claim(True, "declared")}
BOTH = {"reset_after": Claim(True, "declared"), "reset_before": Claim(True, "declared")}


def subjects(
    target: Any = None, against: Any = None, kind: str | None = None, typed: Any = None, time: str | None = None
) -> list[Subject]:
    """The subjects that ``target`` names, each with the reference that ``against`` names.

    target: None for rnncheck's own layers and torch's; a str, class, factory, instance, cell, clip function, training step
            or Subject; or a list of these
    kind:   "layer", "cell", "clip", "step" or "pair" where it cannot be told from the target
    typed:  a stub, a function with the target's parameter names that is annotated; one with a body is the reference too
    time:   what the axis of time is called in the annotations

    Raises UsageError, one line, where something cannot be used. What a subject offers is yet to be probed.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"kind = {kind!r}, but should be one of {', '.join(KINDS)}")
    if kind == "pair" or (kind is None and against is not None and _is_pair(against)):
        return [_pair(one, against) for one in (target if isinstance(target, list | tuple) else [target])]
    several = target if isinstance(target, list | tuple) else [target]
    found = ours_and_torchs() if target is None else [_subject(one, kind, typed, time) for one in several]
    return [_beside(one, against, kind, typed, time) for one in found]


def _beside(subject: Subject, against: Any, kind: str | None, typed: Any, time: str | None) -> Subject:
    """The subject with its reference: the one that is named, or else the body of the stub that types it."""
    if against is None:
        stub = typed if subject.named is None else typed or TypedName.of(subject.name).typed
        located = None if stub is None else _located(stub)
        if located is None or not has_body(located.object):
            return subject
        return _with_reference(subject, _subject(stub, kind, None if is_typed(located.object) else stub, time))
    reference = _located(against).object if not isinstance(against, Subject) else against
    untyped = subject.named is not None and not isinstance(reference, Subject) and not is_typed(reference)
    return _with_reference(subject, _subject(against, kind, typed if untyped else None, time if subject.named else None))


def ours_and_torchs() -> list[Subject]:
    """Return what is checked if no target is named: each layer of ours must agree with torch's, where torch has one."""
    torchs = {modes: _subject(one, None) for one, modes in TORCHS.items()}
    ours = [subject for one, modes in OURS.items() for subject in _forms(_subject(one, None), torchs.get(modes))]
    return [*ours, _subject(clip_grad_norm_, None), *torchs.values(), torch_clip()]


def _forms(ours: Subject, torchs: Subject | None) -> list[Subject]:
    """One of our layers; with a reset gate, a subject for each side of the product, as torch has one of them only."""
    beside = ours if torchs is None else _with_reference(ours, torchs)
    if not ours.offers("reset_before"):
        return [beside]
    one_of_two = {**beside.claims, "reset_before": Claim(False, "declared", "checked as a separate target")}
    return [replace(beside, claims=one_of_two), textbook_gru()]


def textbook_gru() -> Subject:
    """rnncheck.nn.GRU with reset_after=False: as in Cho et al. 2014."""
    source = "import functools\n\nimport rnncheck.nn\n\nbuild = functools.partial(rnncheck.nn.GRU, reset_after=False)"
    build = functools.partial(rnncheck.nn.GRU, reset_after=False)
    gru = torch_like(build, ("GRU",), "rnncheck.nn.GRU(reset_after=False)", source=source)
    return replace(gru, claims={**gru.claims, **BEFORE, "script": NO_SCRIPT})


def _located(target: Any) -> Located:
    return locate(str(target)) if isinstance(target, str | Path) else described(target)


def _subject(target: Any, kind: str | None, typed: Any = None, time: str | None = None) -> Subject:
    if isinstance(target, Subject):
        return target
    if isinstance(target, str):
        named = TypedName.of(target)
        target, typed, time = named.target, typed or named.typed, time or named.time
    located, stub = _located(target), None if typed is None else _located(typed)
    if isinstance(located.object, Subject):
        return replace(located.object, place=located.place)
    if typed is not None or (kind is None and is_typed(located.object)):
        found = read_typed(located, declared_claims(located.object, located.name), stub, time)
        return replace(found, place=located.place and (stub is None or stub.place) and found.name)
    return replace(_untyped(located, kind, time), place=located.place)


def _untyped(located: Located, kind: str | None, time: str | None) -> Subject:
    untyped = without_types(located.object, located.name) if kind is None and _may_be_called(located.object) else None
    if untyped is not None:
        raise UsageError(untyped)
    if time is not None:
        raise UsageError(f"{located.name}: time = {time!r} names an axis, but nothing is annotated; add a stub with --typed")
    kind = kind or _kind(located)
    if kind == "step":
        return _step(located)
    return _clip(located) if kind == "clip" else _layer(located, is_cell=kind == "cell")


def _kind(target: Located) -> str:
    """What the target is, by its type and name; raises UsageError where it is nothing that can be called."""
    value = target.object
    if isinstance(value, ModuleType):
        raise UsageError(f"{target.name}: is a module, but should name a layer, a cell or a clip function in it")
    if not callable(value):
        raise UsageError(f"{target.name}: is {_a(value)}, but should be a layer, a cell or a clip function")
    name = (value if isinstance(value, type) or _is_function(value) else type(value)).__name__
    if _is_function(value) and is_step(value):
        return "step"
    if _is_function(value) and ("max_norm" in Signature.of(value).names or "clip" in name):
        return "clip"
    kind = value if isinstance(value, type) else type(value)
    return "cell" if issubclass(kind, nn.RNNCellBase) or name.lower().endswith("cell") else "layer"


def _is_function(value: Any) -> bool:
    """A function or a method; functools.partial has no name and counts as a factory."""
    return hasattr(value, "__name__") and not isinstance(value, type)


def _may_be_called(value: Any) -> bool:
    """A function, or a module."""
    return _is_function(value) or isinstance(value, nn.Module) or (isinstance(value, type) and issubclass(value, nn.Module))


def _a(value: Any) -> str:
    return f"{value!r:.40} of type {type(value).__name__}"


def _clip(target: Located) -> Subject:
    if isinstance(target.object, type | nn.Module):
        raise UsageError(f"{target.name}: is {_a(target.object)}, but should be a function like clip_grad_norm_")
    source = None if target.lines is None else f"{target.lines}\n\nbuild = {target.expression}"
    clip = clip_function(target.object, target.name, source=source)
    return replace(clip, drop_in=_replaces_torchs(target.object))


def _replaces_torchs(value: Any) -> bool:
    """Whether it is one of torch's or ours, or a subclass of one, or made by one: such a one is to be as torch's is."""
    value = value.func if isinstance(value, functools.partial) else value
    kind = value if isinstance(value, type) else type(value)
    return value in (clip_grad_norm_, nn.utils.clip_grad_norm_) or issubclass(kind, (nn.RNNBase, nn.RNNCellBase, *OURS))


def _step(target: Located) -> Subject:
    if isinstance(target.object, type | nn.Module) or not callable(target.object):
        raise UsageError(f"{target.name}: is {_a(target.object)}, but should be a function like {FORM}")
    source = None if target.lines is None else f"{target.lines}\n\nbuild = {target.expression}"
    return step_function(target.object, target.name, source=source)


def _is_pair(against: Any) -> bool:
    """Whether the reference's module says how its model is built and called."""
    return not isinstance(against, Subject) and is_example(_located(against))


def _pair(target: Any, against: Any) -> Subject:
    if target is None or against is None:
        raise UsageError(f"{target or 'a pair'}: has no reference; write verify candidate.py:ModelNew --against reference.py:Model")
    return pair_of(_located(target), _located(against))


def _layer(target: Located, is_cell: bool) -> Subject:
    value = target.object
    if isinstance(value, type) and (value in TORCHS or value in OURS) and not is_cell:
        return _known_layer(target)
    claims = declared_claims(value, target.name)
    if isinstance(value, type | functools.partial) or _is_function(value):
        build = Constructor(target, is_cell)
        modes, replaces, forms = declared_modes(value), _replaces_torchs(value), declared_forms(value, target.name)
        return Subject(target.name, "layer", build, modes, claims, source=build.source(), forms=forms, drop_in=replaces,
                       said=_said(target))  # fmt: skip
    config, untold = config_or_reason(target, value)
    copies = Instance(target, is_cell, untold)
    modes, forms = () if config is None else (config.mode,), declared_forms(value, target.name)
    subject = Subject(target.name, "layer", copies, modes, claims, fixed=config, source=copies.source(), forms=forms,
                      drop_in=_replaces_torchs(value), said=_said(target))  # fmt: skip
    return replace(subject, modes=()) if subject.of_its_own else subject  # a call tells


def _said(target: Located) -> Said:
    """What the class or the object says of how it is read."""
    return checked(getattr(target.object, "rnncheck_read", NOTHING), f"rnncheck_read of {target.name}")


def _known_layer(target: Located) -> Subject:
    """A layer of torch's or of ours, with the claims that we know."""
    value, ours = target.object, target.object in OURS
    source = f"{target.lines}\n\nbuild = {target.expression}"
    layer = torch_like(value, (OURS if ours else TORCHS)[value], target.name, source=source)
    others = {"script": NO_SCRIPT} if ours else {}
    return replace(layer, claims={**layer.claims, **others, **(BOTH if value is rnncheck.nn.GRU else {})})


def _with_reference(subject: Subject, reference: Subject) -> Subject:
    """The subject with its reference, which also says the modes where the subject does not."""
    pair = f"{subject.name} against {reference.name}"
    if subject.kind != reference.kind:
        raise UsageError(f"{pair}: a {subject.kind} cannot agree with a {reference.kind}; name two of a kind")
    if subject.named is not None or reference.named is not None:
        return replace(subject, reference=as_reference(reference, subject))
    modes = tuple(mode for mode in subject.modes or reference.modes if mode in (reference.modes or subject.modes))
    if subject.kind == "layer" and not modes and subject.modes and reference.modes:
        known = [", ".join(one.modes) for one in (subject, reference)]
        raise UsageError(f"{pair}: {known[0]} cannot agree with {known[1]}; name a reference of the same mode")
    replaces = subject.drop_in or (reference.drop_in and has_torchs_options(subject))
    return replace(subject, modes=modes, reference=reference, drop_in=replaces)


def has_torchs_options(subject: Subject) -> bool:
    """Return whether a layer is built as torch's are, and so may stand in their place; a cell may, whatever it takes."""
    target = getattr(subject.build, "target", None)
    if subject.kind != "layer" or target is None or subject.build.is_cell:
        return True
    made = target.object if isinstance(subject.build, Constructor) else type(target.object)
    signature = Signature.of(made)
    return signature.others or TORCHS_OPTIONS <= signature.names
