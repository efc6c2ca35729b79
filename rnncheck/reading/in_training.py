"""What a layer does in training alone: it draws random numbers, or moves what it computes with."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from rnncheck.core.config import Config
from rnncheck.reading.calls.experiment import Sizes, Start, example, made, runner
from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.other_numbers import zeros
from rnncheck.reading.read import read_again
from rnncheck.reading.seen import Seen


def draws(module: Any, config: Config, seen: Seen) -> bool:
    """Whether the layer draws random numbers in training, though no dropout was asked for."""
    if not isinstance(module, nn.Module):
        return False
    other = copy.deepcopy(module).train()
    run = runner(other, seen.how, Start(), Sizes(config.input_size, config.hidden_size, config.num_layers, seen.directions))
    x = example(config.input_size, 2)
    try:
        first, again, moved = (run(x, zeros(seen, config), seed=seed)[0] for seed in (0, 0, 1))
    except Exception:  # it takes no state of zeros, so that this way of asking says nothing
        return False
    return torch.equal(first, again) and not torch.equal(first, moved)


def draws_in_two_layers(value: Any, arguments: Arguments | None, config: Config, seen: Seen) -> bool:
    """Whether it does with two layers, where its dropout between layers is no option; where it is one, 0 has been asked for."""
    if arguments is None or "num_layers" not in arguments.options or "dropout" in arguments.options:
        return False
    two = config.but(num_layers=2)
    positions, named = arguments.of(two)
    try:
        module = made(value, *positions, **named).double()
        how = read_again(copy.deepcopy(module).eval(), seen.how, Sizes(two.input_size, two.hidden_size, 2, seen.directions))
    except Exception:  # two layers cannot be had in this way, which the probes say
        return False
    return draws(module, two, replace(seen, how=how, parts=2 * seen.parts))


def moved_buffer(module: Any, config: Config, seen: Seen) -> str:
    """Return which buffer of a part that is torch's own a call moves in training alone, such as that of a spectral norm; or ""."""
    if not isinstance(module, nn.Module):
        return ""
    trained, read = (_moved(copy.deepcopy(module).train(mode), config, seen) for mode in (True, False))
    return next((f"buffer {name}" for name in trained if name not in read), "")


def _moved(module: nn.Module, config: Config, seen: Seen) -> list[str]:
    """The buffers of torch's own parts that a call moves; none where it cannot be called."""
    buffers = dict(module.named_buffers())
    torchs = [name for name, part in module.named_modules() if type(part).__module__.startswith("torch.")]
    own = {name: b.clone() for name, b in buffers.items() if name.rpartition(".")[0] in torchs}
    run = runner(module, seen.how, Start(), Sizes(config.input_size, config.hidden_size, config.num_layers, seen.directions))
    try:
        run(example(config.input_size, 2), zeros(seen, config))
    except Exception:  # it takes no state of zeros, so that this way of asking says nothing
        return []
    return [name for name, b in own.items() if not torch.equal(b, buffers[name])]
