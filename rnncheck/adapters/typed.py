"""A recurrence that is read from its types, a function or a module, as a subject like any other."""

import copy
import inspect
import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from rnncheck.adapters.placed import placed
from rnncheck.adapters.targets.locate import Located
from rnncheck.adapters.targets.typed_names import TypedName
from rnncheck.adapters.torch_layers import ModuleLayer
from rnncheck.adapters.with_lengths import LengthsLayer
from rnncheck.core import axis_size
from rnncheck.core.config import Config
from rnncheck.core.features import FEATURES
from rnncheck.core.kinds import OF_ITS_OWN
from rnncheck.core.subject import Claim, Subject
from rnncheck.errors import UsageError
from rnncheck.reading.typed import wrapper
from rnncheck.reading.typed.annotations import Leaf
from rnncheck.reading.typed.find_roles import roles_of
from rnncheck.reading.typed.roles import Roles
from rnncheck.reading.typed.stub import called, constructor_sizes, typed_by, with_sizes_of
from rnncheck.reading.typed.wrapper import Typed

PROBED = ("float64", "float32", "bfloat16", "float16", "training", "second", "jvp", "vmap", "functional", "compile", "export",
          "autocast", "autocast_half", "meta", "module")  # fmt: skip
"""Features that calls show."""


@dataclass(frozen=True)
class TypedBuild:
    """Builds the recurrence behind torch's call.

    target: the function, or a class of modules, or a module
    sizes:  of a class, the axis of which each argument of the constructor is the size
    """

    target: Located
    roles: Roles
    sizes: Mapping[str, str]

    def __call__(self, config: Config, dtype: torch.dtype, device: torch.device) -> ModuleLayer:
        assert config.named is not None
        sizes = {**{name: values[0] for name, values in self.roles.choices.items()}, **config.named.arguments}
        with device if device.type == "meta" else nullcontext():  # production sizes must not be allocated first
            module = placed(Typed(self.made(sizes), sizes, self.roles.for_wrapper()), dtype, device)
        return ModuleLayer(module, False, None) if self.roles.ragged is None else LengthsLayer(module, False, None)

    def made(self, sizes: Mapping[str, Any]) -> Any:
        """The function or the module itself."""
        value = self.target.object
        if isinstance(value, type):
            return value(**{name: sizes[axis] for name, axis in self.sizes.items()})
        return copy.deepcopy(value) if isinstance(value, nn.Module) else value

    @property
    def is_plain_function(self) -> bool:
        """Whether calls of a function that a script can import say all: it has no parameters, and tensors alone as states."""
        states = all(isinstance(one.tree, Leaf) for one in self.roles.states)
        function = not isinstance(self.target.object, type | nn.Module) and self.target.expression is not None
        pairs = any(leaf.complex for one in (*self.roles.sequences, *self.roles.states) for leaf in one.tensors)
        others = self.roles.parameters or self.roles.ragged or self.roles.cache or pairs
        return function and states and not others

    def source(self) -> str | None:
        """Python lines that bind ``build``; None where a script cannot import the target."""
        target = self.target
        if target.lines is None or self.roles.cache is not None:  # what makes a cache may be any object
            return None
        made, first = str(target.expression), ""
        if isinstance(target.object, type):
            made += f"({', '.join(f'{name}=sizes[{axis!r}]' for name, axis in self.sizes.items())})"
        elif isinstance(target.object, nn.Module):
            made, first = f"copy.deepcopy({made})", "import copy\n"
        roles = re.sub(r"_rnncheck_(\w+)_[0-9a-f]{8}:", r"\1:", repr(self.roles.for_wrapper()))
        build = f"def build(input_size, hidden_size, **sizes):\n    return Typed({made}, sizes, {roles})\n"
        return "\n".join([first + target.lines, *(_text(module) for module in (axis_size, wrapper)), "", "", build])


def _text(module: Any) -> str:
    """A module of ours as a script shows it: without its docstring and without imports of ours."""
    text = inspect.getsource(module).partition("\n\n")[2]
    return "\n".join(line for line in text.splitlines() if not line.startswith("from rnncheck"))


def read_typed(target: Located, declared: Mapping[str, Claim], stub: Located | None = None, time: str | None = None) -> Subject:
    """Return a recurrence as its types say, its own or those of a stub; raises UsageError where they do not say it."""
    value, name = target.object, str(TypedName(target.name, None if stub is None else stub.name, time))
    function = called(value)
    roles = roles_of(function, name, time) if stub is None else typed_by(value, stub.object, name, time)
    roles = with_sizes_of(value, roles) if isinstance(value, nn.Module) else roles
    sizes = constructor_sizes(value, roles, name) if isinstance(value, type) else {}
    return _subject(replace(target, name=name), roles, sizes, declared)


def as_reference(reference: Subject, subject: Subject) -> Subject:
    """Return the reference, taking the subject's tensors in the subject's order; raises UsageError where they are others."""
    pair = f"{subject.name} against {reference.name}"
    if not isinstance(reference.build, TypedBuild) or not isinstance(subject.build, TypedBuild):
        raise UsageError(f"{pair}: one is read from its types and the other is not; annotate both, or give a stub with --typed")
    own, theirs = subject.build.roles, reference.build.roles
    for what in ("sequences", "states", "outputs", "parameters"):
        mine, others = (_axes(roles, what) for roles in (own, theirs))
        if what in ("sequences", "parameters"):
            mine, others = sorted(mine), sorted(others)
        if mine != others:
            raise UsageError(f"{pair}: the {what} are {_listed(mine)} and {_listed(others)}, but should be the same")
    build = replace(reference.build, roles=theirs.in_order_of(own))
    claims = {**reference.claims, **{name: subject.claims[name] for name in ("packed", "lengths")}}
    return replace(reference, build=build, named=subject.named, choices=subject.choices, claims=claims)


def _axes(roles: Roles, what: str) -> list[tuple[str, str]]:
    """Each tensor's name, where that counts, and its axes, time and batch under these names."""
    plain = {roles.time: "time", roles.batch: "batch"}

    def axes(leaf: Leaf) -> str:
        return " ".join(plain.get(axis, axis) for axis in leaf.axes)

    if what == "outputs":
        return [("", axes(leaf)) for _, leaf in roles.outputs]
    return [("" if what == "states" else one.name, axes(leaf)) for one in getattr(roles, what) for leaf in one.tensors]


def _listed(found: list[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({axes})".strip() for name, axes in found) or "none"


def _subject(target: Located, roles: Roles, sizes: Mapping[str, str], declared: Mapping[str, Claim]) -> Subject:
    """Return the subject; what only calls can show is yet to be probed."""
    build = TypedBuild(target, roles, sizes)
    return Subject(
        target.name, "layer", build, (OF_ITS_OWN[1],), {**_claims(roles), **declared}, source=build.source(), read_as=roles.words(),
        named=roles.named(), choices=roles.choices,
    )  # fmt: skip


def _claims(roles: Roles) -> dict[str, Claim]:
    """What the types say."""
    batched = roles.batch is not None or (roles.ragged is not None and roles.ragged.needed)
    offered = {
        "hx": bool(roles.states), "hx_none": not roles.state_needed, "state": roles.finals is not None, "layer_axis": True,
        "time_first": True, "sizes": True, "batched": batched, "unbatched": not batched,
        "packed": roles.ragged is not None, "lengths": roles.ragged is not None,
    }  # fmt: skip
    why = {"hx": "no argument is a state", "hx_none": "the initial state must be given", "state": "no final state comes back",
           "packed": "no argument says lengths", "lengths": "no argument says lengths",
           "batched": "no axis is called batch", "unbatched": "every sequence has a batch axis"}  # fmt: skip
    others = {name: False for name in FEATURES if name not in (*PROBED, *offered)}
    return {
        name: Claim(value, "signature", "" if value else why.get(name, "its types say no such thing"))
        for name, value in {**offered, **others}.items()
    }
