"""A module's own parameter names matched with torch's: ``layers.0.layer_fw.cell.igates.weight`` is ``weight_ih_l0``.

A name is read word by word. Whatever the words say, a match counts only if it is one to one.
"""

import re
from collections.abc import Collection, Mapping
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from rnncheck.core.config import Config
from rnncheck.core.subject import NotClaimed

WORDS: Mapping[str, Collection[str]] = {
    "weight": ("weight", "w", "u", "kernel"),
    "bias": ("bias", "b"),
    "ih": ("ih", "i2h", "x2h", "in2h", "igates", "wx", "wi", "input", "inp", "x"),
    "hh": ("hh", "h2h", "hgates", "wh", "uh", "hidden", "recurrent", "rec", "h", "u"),
    "hr": ("hr", "proj", "projection"),
    "reverse": ("reverse", "reversed", "rev", "bw", "bwd", "backward", "back"),
}
"""What each part of torch's names is called elsewhere."""
KINDS, SIDES = ("weight", "bias"), ("ih", "hh", "hr")


class NameParts(NamedTuple):
    """What the words of one name say; numbers are (list index, …), stacked the l<k> of torch's own suffix."""

    kind: str | None
    side: str | None
    reverse: bool
    numbers: tuple[int, ...]
    stacked: int | None


def read(name: str) -> NameParts:
    """The words of a name; where several say the same part, the last one counts.

    >>> read("forward_cells.1.weight_hh")
    NameParts(kind='weight', side='hh', reverse=False, numbers=(1,), stacked=None)
    """
    tokens = [token for token in re.split(r"[._]+", name.lower()) if token]
    stacked = [int(token[1:]) for token in tokens if re.fullmatch(r"l\d+", token)]
    numbers = tuple(int(token) for token in tokens if token.isdigit())
    found = {part: [t for t in tokens if t in words] for part, words in WORDS.items()}
    kinds = [kind for t in tokens for kind in KINDS if t in found[kind]]
    sides = [side for t in tokens for side in SIDES if t in found[side]]
    return NameParts(
        kinds[-1] if kinds else None,
        sides[-1] if sides else None,
        bool(found["reverse"]),
        numbers,
        stacked[-1] if stacked else None,
    )


def match(names: Collection[str], config: Config) -> dict[str, str] | None:
    """torch's name -> own name for every parameter of the configuration, or None where it is not one to one.

    >>> match(["cell.weight_ih", "cell.weight_hh", "cell.bias_ih", "cell.bias_hh"], Config("GRU", 4, 3))["weight_ih_l0"]
    'cell.weight_ih'
    """
    wanted = config.parameter_shapes()
    if set(names) == set(wanted):
        return {name: name for name in wanted}
    readings = {name: read(name) for name in names}
    says_reverse = any(reading.reverse for reading in readings.values())
    found = {_torch_name(reading, config.directions, says_reverse): own for own, reading in readings.items()}
    one_to_one = found.keys() == wanted.keys() and len(found) == len(names)
    return {name: found[name] for name in wanted} if one_to_one else None


def _torch_name(reading: NameParts, directions: int, says_reverse: bool) -> str:
    """Cells in one list stand layer by layer, the forward one first: cells.3 is layer 1, reverse."""
    numbers, reverse, layer = reading.numbers, reading.reverse, reading.stacked or 0
    if directions == 2 and not says_reverse and reading.stacked is None and numbers:
        layer, reverse = numbers[:2] if len(numbers) > 1 else divmod(numbers[0], 2)  # type: ignore[assignment]
    else:
        layer += sum(numbers)  # a stack of one-layer modules, or one module within a list
    return f"{reading.kind}_{reading.side}_l{layer}{'_reverse' if reverse else ''}"


def own_parameters(module: object, shared: bool = False) -> dict[str, Tensor]:
    """A module's parameters by its own names; a parametrized one under the name that its module reads. None: none.

    shared: also under further names, where several layers share it
    """
    found: dict[str, Tensor] = {}
    for name, parameter in module.named_parameters(remove_duplicate=not shared) if isinstance(module, nn.Module) else ():
        head, inside, tail = name.partition("parametrizations.")
        plain = head + tail.partition(".")[0] if inside else name
        found.setdefault(plain, _value(module, plain) if inside else parameter)
    return found


def misfit(own: Mapping[str, Tensor], names: Mapping[str, str], config: Config) -> str | None:
    """The first parameter of another shape than torch's, in words; None where all fit."""
    for name, shape in config.parameter_shapes().items():
        if tuple(own[names[name]].shape) != shape:
            return f"{names[name]} has shape {tuple(own[names[name]].shape)}, but {name} should have {shape}"
    return None


def unmatched(own: Mapping[str, Tensor], config: Config) -> str:
    """Why the names could not be matched."""
    few = list(own)[:4]
    mine = ", ".join(few) + (", …" if len(own) > len(few) else "") if own else "none"
    return f"its parameters ({mine}) cannot be matched one to one with torch's ({', '.join(config.parameter_shapes())})"


def set_parameter(module: nn.Module, name: str, value: Tensor) -> None:
    """Give a parameter this value, in place; a parametrized one through its parametrization.

    Raises NotClaimed where the parametrization makes NaN of numbers, as a weight norm does of a row of zeros.
    """
    owner, attribute = _owner(module, name)
    with torch.no_grad():
        if parametrize.is_parametrized(owner, attribute):
            setattr(owner, attribute, value.clone())  # a weight norm keeps the tensor itself
            if not value.is_meta and getattr(owner, attribute).isnan().any() and not value.isnan().any():
                raise NotClaimed(f"the parametrization of {name} makes NaN of such weights")
        else:
            getattr(owner, attribute).copy_(value)


def _owner(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    *path, attribute = name.split(".")
    return reduce(getattr, path, module), attribute  # get_submodule is not there where TorchScript compiled it


def _value(module: object, name: str) -> Tensor:
    assert isinstance(module, nn.Module)
    owner, attribute = _owner(module, name)
    value: Tensor = getattr(owner, attribute)
    return value
