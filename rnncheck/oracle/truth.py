"""What the oracle is asked about: a configuration and its data, checked, in float64, on the CPU."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.oracle.equations import Layer, LayerDirection, Observer, State, Step, input_part, unroll
from rnncheck.oracle.kinds import equations_of
from rnncheck.oracle.trace import LayerTrace, Trace


class Question(NamedTuple):
    """What the oracle is asked about: a configuration and the data of one run, as the functions of this package take them.

    x is (time, batch, input_size), h_0 and c_0 are (layers * directions, batch, size) or None for zeros.
    """

    config: Config
    parameters: Mapping[str, Tensor]
    x: Tensor
    h_0: Tensor | None
    c_0: Tensor | None
    lengths: tuple[int, ...] | None


class OracleError(ValueError):
    """The oracle was asked what it cannot answer; the message says what was expected and what came."""


def _double(value: Tensor) -> Tensor:
    return value.detach().to(device="cpu", dtype=torch.float64, copy=True)


def checked(name: str, value: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """value in float64, zeros if there is none."""
    if value is None:
        return torch.zeros(shape, dtype=torch.float64, device="cpu")
    if tuple(value.shape) != shape:
        raise OracleError(f"{name}.shape = {tuple(value.shape)}, but should be {shape}")
    if not value.is_floating_point():
        raise OracleError(f"{name}.dtype = {value.dtype}, but should be a floating point type")
    return _double(value)


def _validity(lengths: Iterable[int] | Tensor | None, time: int, batch: int) -> Tensor | None:
    """(time, batch, 1): whether a step belongs to its row's sequence; None if all do."""
    if lengths is None:
        return None
    steps = torch.as_tensor(lengths if isinstance(lengths, Tensor) else list(lengths), dtype=torch.int64).cpu()
    if steps.shape != (batch,) or (batch and not 0 <= int(steps.min()) <= int(steps.max()) <= time):
        raise OracleError(f"lengths = {steps.tolist()}, but should be {batch} numbers from 0 to {time}")
    if bool((steps == time).all()):
        return None
    return (torch.arange(time, device="cpu")[:, None] < steps)[:, :, None]


def at_last(values: Tensor, valid: Tensor | None) -> Tensor:
    """Of every row's last step in time; values: (time, copies, batch, size), valid: (time, batch, 1) or None."""
    if valid is None:
        return values[-1]
    last = (valid.sum(0) - 1).clamp(min=0).expand(values.shape[1:])
    return values.gather(0, last.unsqueeze(0)).squeeze(0)


Join = Callable[[Sequence[Tensor]], Tensor]


def concatenated(outputs: Sequence[Tensor]) -> Tensor:
    """Both directions' features, side by side."""
    return torch.cat(list(outputs), dim=-1)


@dataclass(frozen=True, eq=False)
class Problem:
    """One case in float64.

    x: (time, 1, batch, input); h_0, c_0: (layers * directions, 1, batch, size), c_0 None unless LSTM;
    valid: (time, batch, 1), None if no sequence ends early; join: makes a layer's output of its directions' outputs.
    For the hypotheses: whether the reverse direction reads forwards, and whether it ignores valid.
    """

    config: Config
    layers: tuple[Layer, ...]
    x: Tensor
    h_0: Tensor
    c_0: Tensor | None
    valid: Tensor | None
    join: Join = concatenated
    reads_forwards: bool = False
    reverse_ignores_lengths: bool = False

    @classmethod
    def of(
        cls,
        config: Config,
        parameters: Mapping[str, Tensor],
        input: Tensor,
        h_0: Tensor | None = None,
        c_0: Tensor | None = None,
        lengths: Sequence[int] | Tensor | None = None,
    ) -> "Problem":
        """Checked and converted; raises OracleError on what does not fit together, and on dropout."""
        if config.dropout:
            raise OracleError(f"dropout = {config.dropout}, but should be 0: the truth under dropout is not one result")
        if input.dim() != 3 or input.shape[0] == 0:
            raise OracleError(f"input.shape = {tuple(input.shape)}, but should be (time > 0, batch, input_size)")
        time, batch, _ = input.shape
        shapes = config.parameter_shapes()
        if set(parameters) != set(shapes):
            raise OracleError(f"parameters = {sorted(parameters)}, but should be {sorted(shapes)}")
        if c_0 is not None and "c" not in config.state_sizes:
            raise OracleError(f"c_0 was given, but should be None: a {config.mode} has no cell state")
        double = {name: checked(name, parameters[name], shape) for name, shape in shapes.items()}
        x = checked("input", input, (time, batch, config.input_size))
        strands = config.num_layers * config.directions
        h_0 = checked("h_0", h_0, (strands, batch, config.state_size)).unsqueeze(1)
        if "c" in config.state_sizes:
            c_0 = checked("c_0", c_0, (strands, batch, config.hidden_size)).unsqueeze(1)
        layers = tuple(Layer.split(config, double, suffix) for _, _, suffix in config.suffixes())
        return cls(config, layers, x.unsqueeze(1), h_0, c_0, _validity(lengths, time, batch))

    @property
    def step(self) -> Step:
        """The equations of one time step."""
        return equations_of(self.config).step

    def reverse(self, index: int) -> bool:
        """Whether this strand runs from the end to the beginning."""
        return bool(index % self.config.directions) and not self.reads_forwards

    def validity(self, index: int) -> Tensor | None:
        """valid, as this strand sees it."""
        return None if self.reverse_ignores_lengths and index % self.config.directions else self.valid

    def start(self, index: int, copies: int = 1) -> State:
        """The initial state of a strand (layer * directions + direction), (copies, batch, size)."""
        h = self.h_0[index].expand(copies, -1, -1)
        return h, None if self.c_0 is None else self.c_0[index].expand(copies, -1, -1)

    def strand(self, index: int, x: Tensor, see: Observer, copies: int = 1) -> LayerDirection:
        """One layer and direction over the layer's input x (time, copies or 1, batch, features)."""
        layer, reverse = self.layers[index], self.reverse(index)
        part = input_part(self.config, layer, see("operand", 0, x))
        return unroll(self.step, layer, part, self.start(index, copies), reverse, self.validity(index), see)

    def traced(self, index: int, x: Tensor, trace: Trace) -> LayerTrace:
        """A strand that ran over x and was seen by trace, for the sizes of its errors to be read from."""
        h, c = self.start(index)
        reverse, valid = self.reverse(index), self.validity(index)
        cells = None if c is None else trace.before("c", c, reverse, valid)
        return LayerTrace(self.layers[index], trace, x, trace.before("h", h, reverse, valid), cells)


Observers = Callable[[int], Observer]


def run(problem: Problem, observers: Observers = lambda _: Observer()) -> Run:
    """All layers, one after the other, each strand seen by its own observer."""
    x, strands, directions = problem.x, [], problem.config.directions
    for layer in range(problem.config.num_layers):
        layer_strands = [problem.strand(i, x, observers(i)) for i in range(layer * directions, (layer + 1) * directions)]
        x = problem.join([strand.output for strand in layer_strands])
        strands += layer_strands
    return Run(x.squeeze(1), *final_states(strands, lambda value: value.squeeze(0)))


def final_states(strands: Sequence[LayerDirection], f: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor | None]:
    """(h_n, c_n) of all strands, stacked, f applied to each."""
    h_n = torch.stack([f(strand.h_n) for strand in strands])
    cells = [f(strand.c_n) for strand in strands if strand.c_n is not None]
    return h_n, torch.stack(cells) if cells else None


@torch.inference_mode(False)
@torch.no_grad()
def truth(
    config: Config,
    parameters: Mapping[str, Tensor],
    input: Tensor,
    h_0: Tensor | None = None,
    c_0: Tensor | None = None,
    lengths: Sequence[int] | Tensor | None = None,
) -> Run:
    """What the layer must return, in float64.

    input: (time, batch, input_size), whatever batch_first says; h_0, c_0: (layers * directions, batch, size) or None
    for zeros; parameters: torch's names, with the rounded values that the subject got; lengths: one a row, in any
    order, 0 for a sequence without steps. Outputs after a row's end are 0, its final state is that of its own last step.
    Raises OracleError for active dropout and for shapes that do not fit.

    >>> config = Config("RNN_TANH", 1, 1)
    >>> ones = {name: torch.ones(shape) for name, shape in config.parameter_shapes().items()}
    >>> truth(config, ones, torch.zeros(1, 1, 1)).output.item() == torch.tensor(2.0, dtype=torch.float64).tanh().item()
    True
    """
    return run(Problem.of(config, parameters, input, h_0, c_0, lengths))
