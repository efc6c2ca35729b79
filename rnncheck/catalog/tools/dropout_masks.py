"""Dropout made visible: a stack of panes, layers whose every unit passes on one unit of the layer below, and no more.

Layer 0 sees a constant 1; gates are held open, nothing is remembered from step to step. So each value of the output
tells whether it was dropped anywhere on its way, and each layer's h_n tells it of the last step.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import ceil

import torch
from torch import Tensor

from rnncheck.catalog.tools.gate_measurement import SATURATED, gate_rows
from rnncheck.catalog.tools.significance import by_chance
from rnncheck.core.config import Config
from rnncheck.core.observation import Observation, blame, every, near
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer
from rnncheck.running.trial import Trial, subject_boundary

STEPS, VALUES = 6, 4096
"""Time steps, and values of the output in each direction, at least: a rate is then known to about 0.05."""
AXES = ("time", "batch", "direction", "features")


def panes(trial: Trial) -> Trial:
    """The case's stack as panes, in train(), on a batch large enough to count; with biases, to hold the gates.

    Packed, one more sequence is a step shorter: see ``whole``.
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


def whole(glass: Trial, run: Run) -> Run:
    """The run of all sequences but the shorter one."""
    rows = [row for row, length in enumerate(glass.lengths or (STEPS,) * glass.batch) if length == STEPS]
    return run.map(lambda part: part[:, rows])


def without_gradients(glass: Trial, layer: Layer) -> Run:
    """A run of the layer under no_grad, in train(): how uncertainty is sampled with dropout (Gal, Ghahramani 2016)."""
    with torch.no_grad(), subject_boundary("calling", "in train() under no_grad"):
        result = layer(*glass.lay_out(glass.x, glass.state))
    return glass.read(*result)


def kept_values(config: Config) -> list[float]:
    """What each layer of panes returns where nothing was dropped below it."""
    values, u = [], torch.tensor(1.0, dtype=torch.float64)
    for _ in range(config.num_layers):
        u = u.relu() if config.kind.rectifies else u.tanh()
        u = u.tanh() if config.kind.squashes else u
        values.append(float(u))
    return values


def placed(glass: Trial, run: Run, call: str) -> Observation:
    """Layer 0 drops nothing, and every other value is what was kept and scaled by 1 / (1 - p), or 0."""
    values, eps = kept_values(glass.config), torch.finfo(run.output.dtype).eps
    layers = run.h_n.unflatten(0, (glass.config.num_layers, glass.config.directions))
    parts = {f"h_n of layer {k}": part for k, part in enumerate(layers)} | {"output": run.output}

    def one(name: str, part: Tensor, k: int) -> Observation:
        kept = torch.full_like(part, values[k])
        expected = torch.where(part == 0, 0.0, kept) if k else kept
        axes = Run.AXES["output"] if name == "output" else ("direction", "batch", "features")
        return near(f"{name}{', where not dropped' if k else ''}, {call}", part, expected, 4 * (k + 1) * eps * values[k], axes)

    order = [*range(len(layers)), len(layers) - 1]
    return every(one(name, part, k) for (name, part), k in zip(parts.items(), order, strict=True))


def kept(glass: Trial, run: Run) -> Tensor:
    """(time, batch, direction, features): which values of the output were kept all the way."""
    return run.output.unflatten(-1, (glass.config.directions, glass.config.state_size)) != 0


def masks(glass: Trial, run: Run) -> Iterator[tuple[str, Tensor, float]]:
    """What it is of, which values were kept (time, batch, direction, features), and the probability of that.

    Of the output, and then of each layer's h_n, which is of the last step.
    """
    keep, layers = 1 - glass.config.dropout, glass.config.num_layers
    yield "the output", kept(glass, run), keep ** (layers - 1)
    for k, part in enumerate(run.h_n.unflatten(0, (layers, glass.config.directions))):
        yield f"h_n of layer {k}", part.transpose(0, 1).unsqueeze(0) != 0, keep**k


def rates(glass: Trial, run: Run, call: str) -> Iterator[Observation]:
    """As many values are kept as (1 - p) for each layer below says, and none goes with its neighbour, or any 2^k away."""
    for name, mask, probability in masks(glass, run):
        yield share(f"values kept in {name}, {call}", mask, probability)
    for along in ALONG:
        for lag in LAGS:
            pairs = [(f"equal masks {lag} apart along {along}, in {name}, {call}", *apart(ALONG[along](mask), lag), probability)
                     for name, mask, probability in masks(glass, run)]  # fmt: skip
            yield in_layers(pairs)


LAGS = tuple(2**k for k in range(12))
"""How far apart two values are that may share a random number: vectors, and counters that begin again, have a power of two."""
ALONG: Mapping[str, Callable[[Tensor], Tensor]] = {
    **{axis: partial(torch.movedim, source=place, destination=0) for place, axis in enumerate(AXES)},
    "memory": lambda mask: mask.flatten(),
    "memory, batch first": lambda mask: mask.transpose(0, 1).flatten(),
}
"""A mask (time, batch, direction, features) with the axis in front along which values are compared."""


def share(what: str, mask: Tensor, probability: float) -> Observation:
    """Check that as many values of a mask are True as chance allows; where not, name the direction."""

    def count(what: str, part: Tensor) -> Observation:
        return by_chance(what, int(part.sum()), part.numel(), probability)

    directions = zip(("forward", "reverse"), mask.unbind(2), strict=False)
    each = (count(f"{what}, {direction}", part) for direction, part in directions if mask.shape[2] > 1)
    return blame(count(what, mask), each)


def apart(mask: Tensor, lag: int) -> tuple[Tensor, Tensor]:
    """Elements of the first axis, and those ``lag`` after them; each in one pair at most."""
    pairs = len(mask) // (2 * lag)
    one, other = mask[: 2 * lag * pairs].unflatten(0, (pairs, 2, lag)).unbind(1)
    return one, other


def fresh(glass: Trial, first: Run, second: Run) -> Observation:
    """The masks of two calls agree no more often than independent ones do."""
    both = zip(masks(glass, first), masks(glass, second), strict=True)
    return in_layers([(f"equal masks in two calls, in {name}", one, other, p) for (name, one, p), (_, other, _) in both])


def in_layers(pairs: list[tuple[str, Tensor, Tensor, float]]) -> Observation:
    """The masks of the output are independent; where not, of which layers they are not."""
    output, *layers = pairs
    return blame(alike(*output), (alike(*layer) for layer in layers))


def alike(what: str, one: Tensor, other: Tensor, probability: float) -> Observation:
    """Two masks agree no more often than independent ones do."""
    chance = probability**2 + (1 - probability) ** 2
    return by_chance(what, int((one == other).sum()), one.numel(), chance) if one.numel() else Observation()
