"""A recurrence that is read from its types, a function or a module, as a subject like any other."""

import copy
import inspect
import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rnncheck.adapters.targets.locate import Located
from rnncheck.adapters.torch_layers import ModuleLayer
from rnncheck.core import axis_size
from rnncheck.core.config import Config
from rnncheck.core.subject import FEATURES, Claim, Subject
from rnncheck.reading.typed import wrapper
from rnncheck.reading.typed.roles import Roles
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
        sizes = config.named.arguments
        with device if device.type == "meta" else nullcontext():  # production sizes must not be allocated first
            module = Typed(self.made(sizes), sizes, self.roles.for_wrapper())
        return ModuleLayer(module.to(dtype=dtype, device=device), False, None)

    def made(self, sizes: Mapping[str, Any]) -> Any:
        """The function or the module itself."""
        value = self.target.object
        if isinstance(value, type):
            return value(**{name: sizes[axis] for name, axis in self.sizes.items()})
        return copy.deepcopy(value) if isinstance(value, nn.Module) else value

    def source(self) -> str | None:
        """Python lines that bind ``build``; None where a script cannot import the target."""
        target = self.target
        if target.lines is None:
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


def typed_subject(target: Located, roles: Roles, sizes: Mapping[str, str], declared: Mapping[str, Claim]) -> Subject:
    """Return the subject; what only calls can show is yet to be probed."""
    build = TypedBuild(target, roles, sizes)
    return Subject(
        target.name, "layer", build, ("RNN_RELU",), {**_claims(roles), **declared}, source=build.source(), read_as=roles.words(),
        named=roles.named(), choices=roles.choices,
    )  # fmt: skip


def _claims(roles: Roles) -> dict[str, Claim]:
    """What the types say."""
    offered = {
        "hx": bool(roles.states), "hx_none": not roles.state_needed, "state": roles.finals is not None, "layer_axis": True,
        "time_first": True, "sizes": True, "batched": roles.batch is not None, "unbatched": roles.batch is None,
    }  # fmt: skip
    why = {"hx": "no argument is a state", "hx_none": "the initial state must be given", "state": "no final state comes back",
           "batched": "no axis is called batch", "unbatched": "every sequence has a batch axis"}  # fmt: skip
    others = {name: False for name in FEATURES if name not in (*PROBED, *offered)}
    return {
        name: Claim(value, "signature", "" if value else why.get(name, "its types say no such thing"))
        for name, value in {**offered, **others}.items()
    }
