"""What a second look at a layer that was built and read shows: with more rows, with a larger state, or with its flags on."""

import copy
import math
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.core.config import MODES, Config
from rnncheck.reading.adapter.adapted import Adapted
from rnncheck.reading.calls.experiment import Sizes, Start, Unreadable, made, quiet, rows_tried, runner, steps_tried, told
from rnncheck.reading.calls.results import value_at
from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.gradients import unused
from rnncheck.reading.left_out import defaults_of
from rnncheck.reading.other_numbers import zeros
from rnncheck.reading.parameters.parameter_names import match, own_parameters
from rnncheck.reading.read import read_module
from rnncheck.reading.said import Said
from rnncheck.reading.seen import Seen

Built = tuple[Seen, Arguments | None, Any, Config]
"""A layer, how it was built, in which configuration, and how it is read."""


def of_any_number(module: Any, sizes: Sizes, said: Said, cell_first: bool = False) -> Seen:
    """How it is called with these sizes; raises Unreadable where rows may be features, so that no more of them are taken."""
    seen = read_module(module, sizes, cell_first, said)
    may_be = isinstance(module, nn.Module) and any(rows_tried() in p.shape for p in (*module.parameters(), *module.buffers()))
    if not may_be or seen.needed or seen.how.get("beside"):
        return seen
    try:
        runner(module, seen.how, Start(), sizes)(torch.zeros(steps_tried(), rows_tried() + 1, sizes.input, dtype=torch.float64))
    except Exception as error:
        raise Unreadable(f"it takes no {rows_tried() + 1} sequences: {told(error)}") from None
    return seen


def called(seen: Seen, module: Any, config: Config) -> Tensor:
    """Return the output of a module of this configuration, called as it is read."""
    sizes = Sizes(config.input_size, config.hidden_size, config.num_layers, seen.directions)
    module = module.double().eval() if isinstance(module, nn.Module) else module
    x = torch.zeros(steps_tried(), rows_tried(), config.input_size, dtype=torch.float64)
    output, _ = runner(module, seen.how, Start(), sizes)(x, zeros(seen, config))
    return output


def with_fixed_features(value: Any, built: Built) -> Built:
    """The same, where an output as wide as the state is so by chance: with a state of twice the size it is as wide as before."""
    seen, arguments, module, config = built
    if arguments is None or not arguments.hidden or seen.how["features"] is not None:
        return built
    size = 2 * config.hidden_size
    wider = config.but(hidden_size=size, input_size=size if arguments.square else config.input_size)
    positions, named = arguments.of(wider)
    try:
        output = called(seen, made(value, *positions, **named), wider)
    except Exception:  # it is built, or called, in the first size alone
        return built
    if output.shape[-1] != seen.features:
        return built
    return replace(seen, how={**seen.how, "features": seen.features}, plain=False), arguments, module, config


def without_matrices(value: Any, built: Built, read: Callable[..., Seen]) -> Built:
    """The same without a state that is no number of hidden sizes: in twice the size it is four times as large, or as large.

    read: reads the module, with what is said of it
    """
    seen, arguments, module, config = built
    if arguments is None or not arguments.hidden or not seen.how["states"] or seen.needed:
        return built
    size = 2 * config.hidden_size
    wider = config.but(hidden_size=size, input_size=size if arguments.square else config.input_size)
    positions, named = arguments.of(wider)
    try:
        result = _result(seen, made(value, *positions, **named), wider)
        found = [(axes, value_at(result, path)) for axes, path in zip(seen.how["tensors"], seen.how["states"], strict=True)]
    except Exception:  # it is built, or called, in the first size alone
        return built
    if not any(_is_a_matrix(axes, tensor, config.hidden_size) for axes, tensor in found):
        return built
    return read(module, {"states": [], "given": []}), arguments, module, config


def with_layers_by_default(value: Any, built: Built, build: Callable[[Arguments], Built]) -> Built:
    """The same with as many layers as it has by default, where its state is as large with any number: with one layer alone, what
    is done between layers would not be seen. Where the names of its parameters are torch's, they say what each layer is.

    build: builds and reads it with these arguments
    """
    seen, arguments, module, config = built
    own = None if arguments is None else arguments.options.get("num_layers")
    if arguments is None or own is None or not seen.how["states"] or seen.needed or seen.directions == 2:
        return built
    default = defaults_of(value, arguments).get(own)
    torchs = not seen.how.get("ids") and any(match([*own_parameters(module)], config.but(mode=mode)) for mode in MODES)
    if type(default) is not int or default < 2 or torchs:
        return built
    positions, named = arguments.of(config.but(num_layers=default))
    try:
        more = _result(seen, made(value, *positions, **named), config)
        one = _result(seen, copy.deepcopy(module), config)
        as_large = all(value_at(more, path).shape == value_at(one, path).shape for path in seen.how["states"])
    except Exception:  # it is called otherwise with several layers
        return built
    if not as_large:
        return built
    options = {word: name for word, name in arguments.options.items() if word != "num_layers"}
    other = None
    with suppress(Exception):  # it is not read like this
        other = build(replace(arguments, options=options, others={**arguments.others, own: default}))
    same = other is not None and all(other[0].how[word] == seen.how[word] for word in ("states", "given", "tensors"))
    return other if other is not None and same else built  # whatever its score: a mistake between layers lowers it


def _result(seen: Seen, module: Any, config: Config) -> Any:
    """What a module of this configuration returns: with a state where one goes in, since all calls may share what one leaves."""
    steps = () if seen.how.get("input") == "step" else (steps_tried(),)
    front = (rows_tried(), *steps) if seen.how.get("batch_first") else (*steps, rows_tried())
    x = torch.zeros(*front, config.input_size, dtype=torch.float64)
    adapted = Adapted(module.double().eval() if isinstance(module, nn.Module) else module, config.hidden_size, **seen.how)
    with quiet():
        adapted.begin(x)
        with suppress(Exception):  # a matrix is larger than what is given for it
            return adapted.result(x, zeros(seen, config), None)
        return adapted.result(x, None, None)


def _is_a_matrix(axes: tuple[Any, ...], tensor: Tensor, hidden: int) -> bool:
    """Whether a part of a state of twice the hidden size is four times as large as it was, or just as large."""
    sizes = [round(-axis * hidden) if axis < 0 else axis for axis in axes if not isinstance(axis, str)]
    return tensor.numel() in (rows_tried() * math.prod(sizes), 4 * rows_tried() * math.prod(sizes))


def with_halves(value: Any, built: Built) -> Built:
    """The same, where two directions share the hidden size: each has the parameters of one direction with half of it."""
    seen, arguments, module, config = built
    asked = arguments is not None and "bidirectional" in arguments.options and bool(arguments.hidden) and not arguments.halves
    if arguments is None or not asked or seen.directions == 2 or not isinstance(module, nn.Module):
        return built
    shared, both = replace(arguments, halves="of both"), config.but(bidirectional=True)
    if _has_twice(module, value, arguments, both) or not _has_twice(module, value, shared, both):
        return built
    return seen, shared, module, config


def _has_twice(module: nn.Module, value: Any, arguments: Arguments, config: Config) -> bool:
    """Whether what is built in this configuration has the parameters of the module once for each direction, by their shapes."""
    positions, named = arguments.of(config)
    try:
        other = made(value, *positions, **named)
    except Exception:  # it refuses two directions, or this size
        return False
    once, twice = (Counter(tuple(p.shape) for p in one.parameters()) for one in (module, other))
    return bool(once) and once + once <= twice


def with_flags_on(built: Built, build: Callable[[Arguments], Built]) -> Built:
    """The same with those flags on that must be given, where parameters move nothing while one is off."""
    if (given := built[1]) is None or not _unused(built):
        return built
    for name in [name for name, value in given.others.items() if value is False]:
        other = None
        with suppress(Exception):  # it is not built like this
            other = build(replace(given, others={**given.others, name: True}))
        if other is not None and other[0].score >= built[0].score and len(_unused(other)) < len(_unused(built)):
            built, given = other, other[1] or given
    return built


def _unused(built: Built) -> set[str]:
    seen, _, module, config = built
    return unused(module, seen, config, zeros(seen, config, 0.3))
