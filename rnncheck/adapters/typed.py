"""A recurrence that is read from its types, a function or a module, as a subject like any other."""

import copy
import re
import sys
import typing
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from rnncheck.adapters.file_text import file_text
from rnncheck.adapters.forms import Form, declared_forms, has_options
from rnncheck.adapters.placed import placed, require_no_memory
from rnncheck.adapters.targets.locate import Located, described, locate
from rnncheck.adapters.targets.typed_names import TypedName
from rnncheck.adapters.torch_layers import ModuleLayer
from rnncheck.adapters.with_lengths import LengthsLayer
from rnncheck.core import axis_size
from rnncheck.core.config import Config
from rnncheck.core.features import FEATURES
from rnncheck.core.kinds import OF_ITS_OWN
from rnncheck.core.named import Named
from rnncheck.core.subject import Claim, Subject
from rnncheck.errors import UsageError
from rnncheck.reading.typed import values, wrapper
from rnncheck.reading.typed.annotations import Leaf, Node
from rnncheck.reading.typed.find_roles import roles_of
from rnncheck.reading.typed.otherwise import with_positions, with_states_whole, without_values
from rnncheck.reading.typed.roles import Roles
from rnncheck.reading.typed.stub import called, constructor_sizes, typed_by, with_axes_of_their_own, with_sizes_of
from rnncheck.reading.typed.wrapper import Typed

PROBED = ("float64", "float32", "bfloat16", "float16", "training", "second", "jvp", "vmap", "functional", "parametrize", "compile",
          "export", "autocast", "autocast_half", "meta", "module")  # fmt: skip
"""Features that calls show."""


@dataclass(frozen=True)
class TypedBuild:
    """Builds the recurrence behind torch's call.

    target: the function, or a class of modules, or a module
    sizes:  of a class, the axis of which each argument of the constructor is the size
    stub:   where the types come from, if they are not the target's own
    form:   another form of the recurrence that the class declares
    """

    target: Located
    roles: Roles
    sizes: Mapping[str, str]
    stub: Located | None = None
    form: Form | None = None

    def in_form(self, form: Form) -> "TypedBuild":
        """The same in another of its forms."""
        return replace(self, form=form)

    def with_positions(self, names: Collection[str]) -> "TypedBuild":
        """The same, where these arguments say how many steps come before a call."""
        return replace(self, roles=with_positions(self.roles, names))

    def with_states_whole(self, names: Collection[str], never: Mapping[str, Collection[Any]]) -> "TypedBuild":
        """The same, which carries these states whole, as caches are, and never has these values of options."""
        return replace(self, roles=with_states_whole(without_values(self.roles, never), names))

    def turned(self, options: tuple[tuple[str, Any], ...]) -> "TypedBuild":
        """The same, which reads sequences from their end with these options; others than its own do not count."""
        own = {"", *self.roles.choices}
        return replace(self, roles=replace(self.roles, backward=tuple(one for one in options if one[0] in own)))

    def __call__(self, config: Config, dtype: torch.dtype, device: torch.device) -> ModuleLayer:
        assert config.named is not None
        sizes = {**{name: values[0] for name, values in self.roles.choices.items()}, **config.named.arguments}
        with device if device.type == "meta" else nullcontext():  # production sizes must not be allocated first
            made = self.made(sizes)
            if device.type == "meta" and isinstance(self.target.object, type):
                require_no_memory(made)
            module = placed(Typed(made, sizes, self.roles.for_wrapper()), dtype, device)
        return ModuleLayer(module, False, None) if self.roles.ragged is None else LengthsLayer(module, False, None)

    def made(self, sizes: Mapping[str, Any]) -> Any:
        """The function or the module itself."""
        value, options = self.target.object, {} if self.form is None else self.form.options
        if isinstance(value, type):
            value = value(**{name: axis_size.axis_size(axis, dict(sizes)) for name, axis in self.sizes.items()}, **options)
        elif isinstance(value, nn.Module):
            value = copy.deepcopy(value)
        return value if self.form is None else self.form.put_on(value)

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
        target, roles, imported = self.target, self.roles.for_wrapper(), [self.target.lines]
        maker = None if self.roles.cache is None else self.maker()
        if target.lines is None or (self.roles.cache is not None and maker is None):
            return None
        if maker is not None:
            roles, imported = {**roles, "cache": {**roles["cache"], "new": Written(maker.expression)}}, [*imported, maker.lines]
        if self.stub is not None and any(isinstance(one.tree, Node) for one in self.roles.states):
            imported.append(self.stub.lines)
        made, first = str(target.expression), ""
        if isinstance(target.object, type):
            options = ["**form"] if has_options(target.object) else []
            made += f"({', '.join([*(f'{name}={_written(axis)}' for name, axis in self.sizes.items()), *options])})"
        elif isinstance(target.object, nn.Module):
            made, first = f"copy.deepcopy({made})", "import copy\n"
        text = re.sub(r"_rnncheck_(\w+)_[0-9a-f]{8}:", r"\1:", repr(roles))
        taken = "form={}, **sizes" if has_options(target.object) else "**sizes"
        build = f"def build(input_size, hidden_size, {taken}):\n    return Typed({made}, sizes, {text})\n"
        lines = "\n".join(dict.fromkeys(filter(None, imported)))
        return "\n".join([first + lines, *map(file_text, (axis_size, values, wrapper)), "", "", build])

    def maker(self) -> Located | None:
        """What makes a new cache, with the import that leads to it, by its own name or else through the types that say it."""
        assert self.roles.cache is not None
        new = self.roles.cache.new
        if new is type(None):
            return Located(new, "None", "", "type(None)")
        found, module, name = described(new), sys.modules.get(getattr(new, "__module__", "")), getattr(new, "__qualname__", "<")
        if found.lines is None and module is not None and module.__name__.startswith("_rnncheck_") and "<" not in name:
            found = locate(f"{module.__file__}:{name}")
        types = self.stub or self.target
        if found.lines is not None or types.lines is None:
            return found if found.lines is not None else None
        function = called(types.object)
        path = _path_to(new, typing.get_type_hints(function, include_extras=True)[self.roles.cache.name])
        told = str(types.expression) + (".forward" if function is not types.object else "")
        hints = f"typing.get_type_hints({told}, include_extras=True)[{self.roles.cache.name!r}]"
        return Located(new, name, f"import typing\n{types.lines}", hints + str(path))


class Written(str):
    """Python as it is written in a script."""

    __repr__ = str.__str__


def _written(axis: str) -> str:
    """Python that looks up the size of an axis."""
    return f"sizes[{axis!r}]" if axis.isidentifier() else f"axis_size({axis!r}, sizes)"


def _path_to(new: Any, hint: Any) -> str | None:
    """The attributes that lead from a type to what makes a cache."""
    for place, marker in enumerate(getattr(hint, "__metadata__", ())):
        if getattr(marker, "new", None) is new:
            return f".__metadata__[{place}].new"
    paths = (
        f".__args__[{place}]{path}" for place, part in enumerate(getattr(hint, "__args__", ())) if (path := _path_to(new, part))
    )
    return next(paths, None)


def read_typed(target: Located, declared: Mapping[str, Claim], stub: Located | None = None, time: str | None = None) -> Subject:
    """Return a recurrence as its types say, its own or those of a stub; raises UsageError where they do not say it."""
    value, name = target.object, str(TypedName(target.name, None if stub is None else stub.name, time))
    function = called(value)
    roles = roles_of(function, name, time) if stub is None else typed_by(value, stub.object, name, time)
    roles = with_axes_of_their_own(with_sizes_of(value, roles) if isinstance(value, nn.Module) else roles)
    sizes = constructor_sizes(value, roles, name) if isinstance(value, type) else {}
    return _subject(TypedBuild(replace(target, name=name), roles, sizes, stub), declared)


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


def _subject(build: TypedBuild, declared: Mapping[str, Claim]) -> Subject:
    """Return the subject; what only calls can show is yet to be probed."""
    target, roles = build.target, build.roles
    _check_sizes(roles.named(), target.name)
    return Subject(
        target.name, "layer", build, (OF_ITS_OWN[1],), {**claims_of(roles), **declared}, source=build.source(),
        read_as=roles.words(), named=roles.named(), choices=roles.choices, forms=declared_forms(target.object, target.name),
    )  # fmt: skip


def _check_sizes(named: Named, name: str) -> None:
    """Raise UsageError where an axis is not there at the smallest sizes, which cases have, too."""
    least = dict(named.but_sizes(**dict.fromkeys(dict(named.sizes), 1)).sizes)
    for tensor in named.tensors:
        for axis in tensor.axes.split():
            if (
                axis not in (named.time, named.batch)
                and axis_size.axis_size(axis, {**least, named.time: 1, named.batch or "batch": 1}) < 1
            ):
                raise UsageError(
                    f"{name}: the axis {axis} of {tensor.name} is less than 1 at the smallest sizes; name it otherwise"
                )


def claims_of(roles: Roles) -> dict[str, Claim]:
    """Return the claims that the types make."""
    batched = roles.batch is not None or (roles.ragged is not None and roles.ragged.needed)
    lengths, cached = roles.ragged is not None, roles.cache is not None
    offered = {
        "hx": bool(roles.states), "hx_none": not roles.state_needed, "state": roles.finals is not None and not cached,
        "layer_axis": True, "time_first": True, "sizes": True, "batched": batched, "unbatched": not batched,
        "packed": lengths, "lengths": lengths,
    }  # fmt: skip
    why = {
        "hx": "no argument is a state", "hx_none": "the initial state must be given",
        "state": "a cache remembers, too: the family cache carries both" if cached else "no final state comes back",
        "packed": "no argument says lengths", "lengths": "no argument says lengths",
        "batched": "no axis is called batch", "unbatched": "every sequence has a batch axis",
    }  # fmt: skip
    others = {name: False for name in FEATURES if name not in (*PROBED, *offered)}
    return {
        name: Claim(value, "signature", "" if value else why.get(name, "its types say no such thing"))
        for name, value in {**offered, **others}.items()
    }
