"""A module that exists already: its configuration is read off it, and every trial gets a copy."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from rnncheck.adapters.build_text import object_text
from rnncheck.adapters.cells import Stepwise
from rnncheck.adapters.factory import layer_of
from rnncheck.adapters.forms import Form
from rnncheck.adapters.placed import placed
from rnncheck.adapters.probing.declared_claims import OTHER
from rnncheck.adapters.probing.modes import ELMAN, config_by_parameters, declared_modes, modes_in, one_of
from rnncheck.adapters.targets.locate import Located
from rnncheck.adapters.torch_layers import ModuleLayer
from rnncheck.core.config import MODES, Config, ConfigError, Mode
from rnncheck.core.kinds import OF_ITS_OWN, PROJECTION, RESET_AFTER
from rnncheck.core.plain_text import one_line
from rnncheck.errors import UsageError
from rnncheck.reading import Reading, behind_torchs_call
from rnncheck.reading.parameters.parameter_names import own_parameters
from rnncheck.reading.signature import HIDDEN, INPUT


@dataclass(frozen=True)
class Instance:
    """Builds copies of one module: always of its own configuration, whatever dtype and device.

    untold: why its configuration is not known before it is called
    """

    target: Located
    is_cell: bool = False
    untold: str = ""
    reading: Reading | None = None
    form: Form | None = None

    def in_form(self, form: Form) -> "Instance":
        """The same in another of its forms."""
        return replace(self, form=form)

    def __call__(self, config: Config, dtype: torch.dtype, device: torch.device) -> ModuleLayer:
        module = copy.deepcopy(self.target.object)
        if isinstance(module, nn.Module):
            module = placed(module, dtype, device)
        module = module if self.form is None else self.form.put_on(module)
        if self.reading is not None and self.reading.adapts:
            return layer_of(behind_torchs_call(module, self.reading, config), config)
        return layer_of(Stepwise(module) if self.is_cell else module, config)

    def source(self) -> str | None:
        """Python lines that bind ``build``; None where a script cannot import the module."""
        if self.target.lines is None or self.is_cell:
            return None
        if self.reading is not None and self.reading.adapts:
            return object_text(self.target, self.reading)
        build = f"def build(*sizes, **options):\n    return copy.deepcopy({self.target.expression})\n"
        return f"import copy\n{self.target.lines}\n\n\n{build}"


def config_of(target: Located, module: Any) -> Config:
    """The configuration that the module has, by its attributes (torch's names) or else its parameters' shapes.

    Raises UsageError where it cannot be told.
    """
    other = getattr(module, "rnncheck_mode", None) == OTHER
    modes = (OF_ITS_OWN[1],) if other else declared_modes(module) or modes_in(type(module).__name__)
    own = own_parameters(module)
    by_shapes = None if other else config_by_parameters(own, modes or MODES)
    told = _attributes(module)
    sizes = [next((told[name] for name in words if name in told), None) for words in (INPUT, HIDDEN)]
    mode = _mode(modes, by_shapes, told)
    if mode is None or (by_shapes is None and None in sizes):
        raise UsageError(_cannot_tell(target, module, mode, told))
    start = by_shapes.but(mode=mode) if by_shapes else Config(mode, int(sizes[0] or 0), int(sizes[1] or 0))
    return _with_attributes(target, start, told, by_shapes is not None)


def config_or_reason(target: Located, module: Any) -> tuple[Config | None, str]:
    """The same, or why it cannot be told, where calls may show what it is.

    Raises UsageError where nothing can be called.
    """
    try:
        return config_of(target, module), ""
    except UsageError as error:
        if not isinstance(module, nn.Module) or type(module).forward is nn.Module.forward:
            raise
        return None, str(error).removeprefix(f"{target.name}: ")


def _mode(modes: tuple[Mode, ...], by_shapes: Config | None, told: Mapping[str, Any]) -> Mode | None:
    mode = by_shapes.mode if by_shapes else modes[0] if modes else None
    if mode != ELMAN[0]:
        return mode
    return ELMAN[1] if modes == ELMAN[1:] else one_of(ELMAN, told.get)


def _attributes(module: Any) -> dict[str, Any]:
    """What the module says of itself in torch's words, where the type is torch's."""
    types: dict[str, type | tuple[type, ...]] = {
        **dict.fromkeys((*INPUT, *HIDDEN, "num_layers", "proj_size"), int),
        **dict.fromkeys(("bias", "batch_first", "bidirectional", "reset_after"), bool),
        "nonlinearity": str, "dropout": (float, int),
    }  # fmt: skip
    found = {name: getattr(module, name, None) for name in types}
    return {name: value for name, value in found.items() if isinstance(value, types[name])}


def _with_attributes(target: Located, start: Config, told: Mapping[str, Any], sized: bool) -> Config:
    """Shapes say sizes, layers, directions, bias and projection for certain; only the attributes say the rest."""
    words = ["batch_first", "dropout", *(["reset_after"] if start.kind.has(RESET_AFTER) else [])]
    words += [] if sized else ["num_layers", "bias", "bidirectional", *(["proj_size"] if start.kind.has(PROJECTION) else [])]
    try:
        return start.but(**{word: told[word] for word in words if word in told})
    except ConfigError as error:
        raise UsageError(f"{target.name}: its attributes make no configuration: {one_line(error)}") from None


def _cannot_tell(target: Located, module: Any, mode: Mode | None, told: Mapping[str, Any]) -> str:
    own = own_parameters(module)
    found = [(name, part) for name, part in _parts(module) if name and _is_recurrent(part)]
    inside = [f"{target.name}.{name} ({type(part).__name__})" for name, part in found]
    if inside:
        return (
            f"{target.name}: a {type(module).__name__} is no recurrent layer, but should be one; "
            f"name one of those inside it: {', '.join(inside[:4])}"
        )
    few = ", ".join(f"{name} {tuple(value.shape)}" for name, value in list(own.items())[:4]) or "none"
    missing = [] if mode else ["rnncheck_mode"]
    missing += [words[0] for words in (INPUT, HIDDEN) if not any(word in told for word in words)]
    return (
        f"{target.name}: cannot tell its configuration from its attributes or its parameters ({few}); "
        f"set {', '.join(missing)} on it, or name its class"
    )


def _parts(module: Any) -> list[tuple[str, nn.Module]]:
    return list(module.named_modules()) if isinstance(module, nn.Module) else []


def _is_recurrent(module: nn.Module) -> bool:
    return bool(declared_modes(module)) or (bool(modes_in(type(module).__name__)) and hasattr(module, "hidden_size"))
