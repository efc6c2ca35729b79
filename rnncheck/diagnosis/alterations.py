"""What is done to data and results under a hypothesis; each is a function from Asked to Asked."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.diagnosis.altered_case import Asked
from rnncheck.oracle.truth import Join

Change = Callable[[Asked], Asked]


# gates ----------------------------------------------------------------------------------------------------------------


def gate_order(order: str, only: str = "") -> Change:
    """The rows of the parameters whose names begin with `only` are read as these gates."""

    def change(asked: Asked) -> Asked:
        def read(name: str, value: Tensor) -> Tensor:
            if name.startswith("weight_hr") or not name.startswith(only):
                return value
            blocks = dict(zip(order, value.chunk(len(order)), strict=True))
            return torch.cat([blocks[gate] for gate in asked.config.gates])

        return asked.parameter(read)

    return change


def rows(only: str, gates: str, change: Callable[[Tensor], Tensor]) -> Change:
    """change() applied to these gates' rows of the parameters whose names begin with `only`."""

    def changed(asked: Asked) -> Asked:
        def read(name: str, value: Tensor) -> Tensor:
            if not name.startswith(only):
                return value
            blocks = zip(asked.config.gates, value.chunk(len(asked.config.gates)), strict=True)
            return torch.cat([change(block) if gate in gates else block for gate, block in blocks])

        return asked.parameter(read)

    return changed


def transpose_recurrent(asked: Asked) -> Asked:
    """Each gate's weight_hh is transposed."""
    gates = asked.config.gates
    return rows("weight_hh", gates, lambda block: block.mT)(asked)


def bias_beside_input(asked: Asked) -> Asked:
    """The candidate's bias_hh is added outside the reset gate."""
    parameters = dict(asked.parameters)
    hidden = asked.config.hidden_size
    for _, _, suffix in asked.config.suffixes():
        b_ih, b_hh = parameters["bias_ih" + suffix].clone(), parameters["bias_hh" + suffix].clone()
        b_ih[2 * hidden :] += b_hh[2 * hidden :]
        b_hh[2 * hidden :] = 0
        parameters["bias_ih" + suffix], parameters["bias_hh" + suffix] = b_ih, b_hh
    return asked.but(parameters=parameters)


def bias_inside_reset(asked: Asked) -> Asked:
    """The candidate's bias_ih is added inside the reset gate."""
    hidden = asked.config.hidden_size
    parameters = dict(asked.parameters)
    for _, _, suffix in asked.config.suffixes():
        b_ih, b_hh = parameters["bias_ih" + suffix].clone(), parameters["bias_hh" + suffix].clone()
        b_hh[2 * hidden :] += b_ih[2 * hidden :]
        b_ih[2 * hidden :] = 0
        parameters["bias_ih" + suffix], parameters["bias_hh" + suffix] = b_ih, b_hh
    return asked.but(parameters=parameters)


# layers and directions ---------------------------------------------------------------------------------------------------


def renamed(source: Callable[[Config, int, int], tuple[int, int]], only: str = "") -> Change:
    """Layer l, direction d uses the parameters of source(l, d), where the shapes allow it."""

    def change(asked: Asked) -> Asked:
        suffix = {(layer, direction): name for layer, direction, name in asked.config.suffixes()}
        parameters = dict(asked.parameters)
        for (layer, direction), own in suffix.items():
            other = suffix[source(asked.config, layer, direction)]
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"):
                new = asked.parameters.get(kind + other)
                if kind.startswith(only) and new is not None and new.shape == asked.parameters[kind + own].shape:
                    parameters[kind + own] = new
        return asked.but(parameters=parameters)

    return change


def _grid(config: Config, state: Tensor) -> Tensor:
    return state.unflatten(0, (config.num_layers, config.directions))


def states_direction_major(asked: Asked) -> Asked:
    """The initial states are read as all forward layers, then all reverse ones."""
    config = asked.config
    shape = (config.directions, config.num_layers)
    return asked.states(lambda state: state.unflatten(0, shape).transpose(0, 1).flatten(0, 1))


def finals_direction_major(asked: Asked) -> Asked:
    """The final states are laid out likewise."""
    config = asked.config
    return asked.reading(lambda run: on_states(run, lambda state: _grid(config, state).transpose(0, 1).flatten(0, 1)))


def states_swapped(asked: Asked) -> Asked:
    """Each direction starts from the other one's initial state."""
    return asked.states(lambda state: _grid(asked.config, state).flip(1).flatten(0, 1))


def finals_swapped(asked: Asked) -> Asked:
    """The directions' final states are exchanged."""
    return asked.reading(lambda run: on_states(run, lambda state: _grid(asked.config, state).flip(1).flatten(0, 1)))


def layers_flipped(asked: Asked) -> Asked:
    """The layers' initial states come in the opposite order."""
    return asked.states(lambda state: _grid(asked.config, state).flip(0).flatten(0, 1))


def finals_flipped(asked: Asked) -> Asked:
    """The layers' final states come in the opposite order."""
    return asked.reading(lambda run: on_states(run, lambda state: _grid(asked.config, state).flip(0).flatten(0, 1)))


def states_of(source: Callable[[Config, int, int], tuple[int, int]]) -> Change:
    """Layer l, direction d starts from the initial state of source(l, d)."""

    def change(asked: Asked) -> Asked:
        chosen = [source(asked.config, layer, direction) for layer, direction, _ in asked.config.suffixes()]
        index = [layer * asked.config.directions + direction for layer, direction in chosen]
        return asked.states(lambda state: state[index])

    return change


def last_final_for_all(asked: Asked) -> Asked:
    """The last layer's final state stands for every layer's."""

    def repeat(state: Tensor) -> Tensor:
        layers = _grid(asked.config, state)
        return layers[-1:].expand_as(layers).flatten(0, 1)

    return asked.reading(lambda run: on_states(run, repeat))


# results -----------------------------------------------------------------------------------------------------------------


def on_states(run: Run, change: Callable[[Tensor], Tensor]) -> Run:
    """The run with its final states changed."""
    return Run(run.output, *(change(state) for state in run.state))


def exchange(asked: Asked) -> Asked:
    """The initial h and c are exchanged."""
    assert asked.c_0 is not None
    return asked.but(h_0=asked.c_0, c_0=asked.h_0)


def exchange_finals(asked: Asked) -> Asked:
    """The final h and c are exchanged."""
    return asked.reading(lambda run: Run(run.output, *run.state[::-1]))


def ends(asked: Asked) -> Tensor:
    """Each row's number of steps."""
    time, batch, _ = asked.x.shape
    return torch.full((batch,), time) if asked.lengths is None else asked.lengths


def processing_order(asked: Asked) -> Asked:
    """The reverse directions' outputs are left in the order in which they were computed, in every layer."""
    time = torch.arange(len(asked.x), device="cpu")[:, None]
    last = ends(asked)
    index = torch.where(time < last, last - 1 - time, time)[:, :, None]

    def join(outputs: Sequence[Tensor]) -> Tensor:
        forward, reverse = outputs
        order = index.unsqueeze(1) if reverse.dim() > 3 else index
        return torch.cat([forward, reverse.gather(0, order.expand_as(reverse))], -1)

    return asked.but(join=join)


def joined(join: Join) -> Change:
    """A layer's output is made of its directions' outputs in another way."""
    return lambda asked: asked.but(join=join)


def interleaved(outputs: Sequence[Tensor]) -> Tensor:
    """The directions' features in turn."""
    return torch.stack(list(outputs), dim=-1).flatten(-2)


def outputs_reversed(asked: Asked) -> Asked:
    """Outputs come in reverse order of time."""
    return asked.reading(lambda run: Run(run.output.flip(0), *run.state))


def reverse_final_from_the_end(asked: Asked) -> Asked:
    """The reverse direction's final h is its output at the last time step instead of at the first."""

    def read(run: Run) -> Run:
        h_n = run.h_n.clone()
        last = run.output[ends(asked).clamp(min=1) - 1, torch.arange(run.output.shape[1], device="cpu")]
        h_n[-1] = last.chunk(2, -1)[1]
        return Run(run.output, h_n, run.c_n)

    return asked.reading(read)


def last_padded_step(asked: Asked) -> Asked:
    """The last layer's final h is its output at the last step of the batch, not of the sequence."""

    def read(run: Run) -> Run:
        h_n, directions = run.h_n.clone(), asked.config.directions
        h_n[-directions] = run.output[-1].chunk(directions, -1)[0]
        return Run(run.output, h_n, run.c_n)

    return asked.reading(read)
