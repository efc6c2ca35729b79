"""Dropout made visible: a stack of panes, layers whose every unit passes on one unit of the layer below, and no more.

Layer 0 sees a constant 1; gates are held open, nothing is remembered from step to step. So each value of the output
tells whether it was dropped anywhere on its way, and each layer's h_n tells it of the last step.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.tools.gate_measurement import SATURATED, gate_rows
from rnncheck.core.config import Config
from rnncheck.core.observation import Observation, blame, equal, every, near
from rnncheck.running.trial import Trial

STEPS, VALUES = 6, 4096
"""Time steps, and values of the output in each direction, at least: a rate is then known to about 0.05."""


def panes(trial: Trial) -> Trial:
    """The case's stack as panes, in train(), on a batch large enough to count; with biases, to hold the gates.

    Packed, one more sequence is a step shorter: see ``in_parts`` of dropout_counts.
    """
    config, packed = trial.config.but(bias=True), trial.lengths is not None
    rows = ceil(VALUES / (STEPS * config.state_size)) + packed
    x = trial.x.new_ones(STEPS, rows, config.input_size)
    state = trial.map_state(lambda part: part.new_zeros(len(part), rows, part.shape[-1]))
    parameters = {name: pane(config, name, x.new_zeros(shape)) for name, shape in config.parameter_shapes().items()}
    lengths = (*(STEPS,) * (rows - 1), STEPS - 1) if packed else None
    lengths = lengths[::-1] if lengths and not trial.case.sorted_lengths else lengths
    return trial.but(x=x, state=state, lengths=lengths, parameters=parameters, config=config, training=True)


def pane(config: Config, name: str, parameter: Tensor) -> Tensor:
    """The parameter of this name (given as zeros) of a stack of panes; weights of 1 - dropout take back its scale."""
    candidate = gate_rows(config, config.kind.candidate)
    unit = torch.arange(config.hidden_size)
    if name.startswith("weight_hr"):
        parameter.fill_diagonal_(1.0)
    elif name.startswith("weight_ih_l0"):
        parameter[candidate, 0] = 1.0
    elif name.startswith("weight_ih"):
        below = unit % config.state_size + config.state_size * name.endswith("_reverse")
        parameter[candidate][unit, below] = 1 - config.dropout
    elif name.startswith("bias_ih"):
        for gate, sign in config.kind.passes_on.items():
            parameter[gate_rows(config, gate)] = sign * SATURATED
    return parameter


def kept_values(config: Config) -> list[float]:
    """What each layer of panes returns where nothing was dropped below it."""
    values, u = [], torch.tensor(1.0, dtype=torch.float64)
    for _ in range(config.num_layers):
        u = u.relu() if config.kind.rectifies else u.tanh()
        u = u.tanh() if config.kind.squashes else u
        values.append(float(u))
    return values


def as_it_should(glass: Trial, seen: Mapping[str, Any]) -> Observation:
    """Layer 0 drops nothing, what is kept is scaled by 1 / (1 - p), and as much is kept as chance has it."""
    values, eps = kept_values(glass.config), torch.finfo(glass.case.torch_dtype).eps

    def kept(what: str, found: Mapping[str, Tensor]) -> Observation:
        layer = int(what.partition(",")[0].split()[-1]) if what.startswith("h_n") else glass.config.num_layers - 1
        value, told = values[layer], f"{what}, where not dropped" if layer else what
        should = torch.tensor(value, dtype=glass.case.torch_dtype)
        return every(near(f"{one} value of {told}", part, should, 4 * (layer + 1) * eps * value) for one, part in found.items())

    groups = zip(seen["counts"], seen["by chance"], strict=True)
    return every(kept(*one) for one in seen["kept"].items()) & every(as_chance_has_it(*group) for group in groups)


def as_chance_has_it(found: Mapping[str, str], should: Mapping[str, str]) -> Observation:
    """Chance explains the first of these counts; where it does not, the others say more."""
    first, *others = (equal(what, words, should[what]) for what, words in found.items())
    return blame(first, others)
