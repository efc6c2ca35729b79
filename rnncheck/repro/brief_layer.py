"""The first lines of a failure in brief: the layer is built, and its parameters are set in a line or two."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.adapters.build_text import NoText, argument_text
from rnncheck.adapters.torch_layers import torch_arguments
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Layer, Subject
from rnncheck.core.verdict import NOT_TOLD
from rnncheck.reading.adapter.arranged import Arranged
from rnncheck.repro.literal import NoLiteral, literal
from rnncheck.repro.own_call import adapter_of, own_parameters

CASTS = {"float32": "", "float64": ".double()", "bfloat16": ".bfloat16()", "float16": ".half()"}
NOTHING = object()
"""No default."""
FEW = 12
"""Elements that are written out."""
MOST_PARAMETERS = 5
"""Parameters that are set one by one."""


@dataclass(frozen=True)
class Brief:
    """A layer that is to be shown, the subject that it is of, and the case."""

    layer: Layer
    subject: Subject
    case: Case

    @property
    def own_start(self) -> bool:
        """Whether the layer begins with numbers of its own, since its parameters cannot be set."""
        return not self.subject.offers("load")

    def own_names(self) -> dict[str, str] | None:
        """Return torch's names to the layer's own; None where they are not the same tensors one by one."""
        module = self.layer.module
        if not isinstance(module, torch.nn.Module):
            return None
        own = {id(p): name for name, p in module.named_parameters()}
        live = self.layer.parameters()
        inside = "layer." if adapter_of(self.layer) is not None else ""
        names = {name: own[id(p)].removeprefix(inside) for name, p in live.items() if id(p) in own}
        return names if len(names) == len(live) == len(own) else None


def layer_lines(brief: Brief, config: Config, parameters: Mapping[str, Tensor]) -> list[str]:
    """Return the lines that build the layer and set its parameters."""
    built = f"layer = {_building(brief, config)}"
    if brief.own_start:
        return [f"{built}  # with its own initial parameters{', zeros and ones moved' if parameters else ''}"]
    return [built, *_parameter_lines(brief, parameters)]


def _building(brief: Brief, config: Config) -> str:
    name = brief.subject.name.partition(" on ")[0].rpartition(":")[2]
    name = name if re.fullmatch(r"[\w.]+", name) else "build"
    device = "" if brief.case.device == "cpu" else f".to({brief.case.device!r})"
    if brief.subject.fixed is not None:
        return f"{name}{CASTS[brief.case.dtype]}{device}"
    name = name if name.startswith(("torch.", "rnncheck.")) else name.rpartition(".")[2]
    return f"{name}({_given(brief, config)}){CASTS[brief.case.dtype]}{device}"


def _given(brief: Brief, config: Config) -> str:
    """Return the arguments of the constructor, in its own words, without those that are as they are by default."""
    build: Any = brief.subject.build
    if not hasattr(build, "given"):
        return ", ".join([f"{config.input_size}, {config.hidden_size}", *_keywords(torch_arguments(config))])
    positions, named = build.given(config)
    named = {name: value for name, value in named.items() if build.signature.defaults.get(name, NOTHING) != value}
    for place in build.signature.positional[len(positions) :]:
        if type(named.get(place)) is not int:  # sizes are clear without a name
            break
        positions = (*positions, named.pop(place))
    return ", ".join([*map(_argument, positions), *_keywords(named)])


def _argument(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_argument, value))}]"
    try:
        return argument_text(value)
    except NoText:
        raise NoLiteral(f"a {type(value).__name__} as an argument") from None


def _keywords(named: Mapping[str, Any]) -> list[str]:
    return [f"{name}={_argument(value)}" for name, value in named.items()]


def _parameter_lines(brief: Brief, parameters: Mapping[str, Tensor]) -> list[str]:
    """Return as few lines as will do: all zero, all weights and all biases alike, those that are not zero, or a remark."""
    names, adapter = brief.own_names(), adapter_of(brief.layer)
    if isinstance(adapter, Arranged):
        parameters = own_parameters(adapter, parameters)
        names = {name: name for name in parameters}
    weights = {float(v) for name, p in parameters.items() if "bias" not in name for v in p.unique()}
    biases = {float(v) for name, p in parameters.items() if "bias" in name for v in p.unique()}
    if names is not None and weights | biases <= {0.0}:
        return ["for p in layer.parameters(): p.data.zero_()  # weights 0" + (", biases 0" if biases else "")]
    telling = names is not None and all(("bias" in name) == ("bias" in own) for name, own in names.items())
    if telling and len(weights) == 1 and len(biases) <= 1:
        (weight,), bias = weights, next(iter(biases), 0.0)
        value = f"{bias:g} if 'bias' in n else {weight:g}" if biases else f"{weight:g}"
        if (float(f"{bias:g}"), float(f"{weight:g}")) == (bias, weight):
            return [f"for n, p in layer.named_parameters(): p.data.fill_({value})"]
    others = {name: p for name, p in parameters.items() if p.any()}
    before = ["for p in layer.parameters(): p.data.zero_()"] if len(others) + 1 < len(parameters) else []
    told = others if before else parameters
    if names is not None and len(told) <= MOST_PARAMETERS and all(p.numel() <= FEW for p in told.values()):
        return before + [f"layer.{names[name]}.data = {value_text(value)}" for name, value in told.items()]
    return [NOT_TOLD]


def value_text(value: Any) -> str:
    """Return a tensor, a pair of them or a packed sequence as short Python; raises NoLiteral where it would be long.

    >>> value_text(torch.zeros(2, 1))
    'torch.zeros(2, 1)'
    """
    if isinstance(value, list):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {value_text(part)}' for key, part in value.items())}}}"
    if isinstance(value, tuple) and not isinstance(value, PackedSequence):
        return f"({', '.join(map(value_text, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, PackedSequence):
        padded, lengths = torch.nn.utils.rnn.pad_packed_sequence(value)
        unsorted = "" if value.sorted_indices is None else ", enforce_sorted=False"
        return f"torch.nn.utils.rnn.pack_padded_sequence({value_text(padded)}, {lengths.tolist()}{unsorted})"
    if not isinstance(value, Tensor) or not value.is_contiguous() or value.is_meta:
        return literal(value).replace("tensor(", "torch.tensor(")
    return _tensor_text(value.detach().cpu())


def _tensor_text(value: Tensor) -> str:
    told = value.dtype in (torch.float32, torch.int64, torch.bool)  # by the numbers themselves
    dtype = "" if told else f", dtype={value.dtype}"
    filled = "" if value.dtype == torch.float32 else f", dtype={value.dtype}"
    shape = ", ".join(map(str, value.shape))
    if not value.numel() or bool((value == 0).all()):
        return f"torch.zeros({shape}{filled})"
    if bool((value == 1).all()):
        return f"torch.ones({shape}{filled})"
    if value.numel() > 1 and bool((value == value.flatten()[0]).all()):
        return f"torch.full(({shape},), {_number_text(value.flatten()[0])}{dtype})"
    if value.numel() > FEW:
        raise NoLiteral(f"{value.numel()} numbers are too many to read")
    return f"torch.tensor({_nested(value)}{dtype})"


def _nested(value: Tensor) -> str:
    return f"[{', '.join(map(_nested, value))}]" if value.dim() else _number_text(value)


def _number_text(value: Tensor) -> str:
    """Return the shortest text that gives this very number in its dtype."""
    if not value.is_floating_point() or not bool(value.isfinite()):
        return literal(value.item())
    short = (f"{value.item():.{digits}g}" for digits in range(1, 18))
    text = next(text for text in short if torch.tensor(float(text), dtype=value.dtype) == value)
    return text if any(letter in text for letter in ".e") else f"{text}.0"
