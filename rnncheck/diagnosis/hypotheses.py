"""The hypotheses of the diagnosis: what a layer may do differently, as a table of small values.

Each has a name that completes the sentence "agrees with torch.nn.LSTM if …". The order is that of plausibility: the first
one that fits is named. Those that are `common` are tried in pairs as well.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

import torch

from rnncheck.core import kinds
from rnncheck.core.config import Config
from rnncheck.core.kinds import Kind
from rnncheck.diagnosis import alterations
from rnncheck.diagnosis import sequence_alterations as sequences
from rnncheck.diagnosis.alterations import Change
from rnncheck.diagnosis.altered_case import Asked
from rnncheck.diagnosis.cell_variants import SIGMOIDS, TANHS, Function, gate, one_sigmoid


@dataclass(frozen=True)
class Hypothesis:
    """name completes "agrees with torch.nn.LSTM if …"; change makes the case in which that is so."""

    name: str
    change: Change
    common: bool = False


COMMON_ORDERS = ("ifog", "iofg", "igfo", "fiog", "zrn", "rnz")


def _spaced(order: str) -> str:
    return ", ".join(order)


def _gates(config: Config) -> Iterator[Hypothesis]:
    for letters in permutations(config.gates):
        order = "".join(letters)
        if order == config.gates:
            continue
        name = f"the gates are ordered {_spaced(order)}"
        yield Hypothesis(name, alterations.gate_order(order), order in COMMON_ORDERS)
        for kind in ("weight_ih", "weight_hh", "bias"):
            if kind != "bias" or config.bias:
                yield Hypothesis(f"the gates of {kind} alone are ordered {_spaced(order)}", alterations.gate_order(order, kind))


def _seeing(place: str, function: Function) -> Change:
    return lambda asked: asked.seeing({place: function})


def _plus(offset: float) -> Function:
    return lambda value: value + offset


def _gru(config: Config) -> Iterator[Hypothesis]:
    before = "before" if config.reset_after else "after"
    flipped = config.but(reset_after=not config.reset_after)
    name = f"the reset gate is applied {before} the product"
    yield Hypothesis(name, lambda asked: asked.but(config=flipped), True)
    yield Hypothesis("z and 1 - z are exchanged", _gate(config, "z", lambda z: 1 - z), True)
    yield Hypothesis("the reset gate is left out", _gate(config, "r", torch.ones_like))
    yield Hypothesis("the candidate is not multiplied by 1 - z", _new_state(lambda h, z, n: h + z * n))
    yield Hypothesis("the candidate is multiplied by z", _new_state(lambda h, z, n: h + (2 * z - 1) * n))
    yield Hypothesis("the state before is not multiplied by z", _new_state(lambda h, z, n: (1 - z) * n + (h - (1 - z) * n) / z))


def _gru_reset_after(config: Config) -> Iterator[Hypothesis]:
    yield from _gru(config)
    if not config.bias:
        return
    outside, inside = alterations.bias_beside_input, alterations.bias_inside_reset
    yield Hypothesis("bias_hh of the candidate is added outside the reset gate", outside, True)
    yield Hypothesis("bias_ih of the candidate is added inside the reset gate", inside)
    left_out = alterations.rows("bias_hh", "n", torch.zeros_like)
    yield Hypothesis("bias_hh of the candidate is left out", left_out)


def _lstm(config: Config) -> Iterator[Hypothesis]:
    for offset in (1.0, -1.0):
        name = f"{offset:g} is added to the forget gate's bias"
        yield Hypothesis(name, _gate(config, "f", _plus(offset), "a"), True)
    yield Hypothesis("the forget gate is 1 - i", _seeing("s", _coupled))
    for letter, name in (("f", "forget"), ("i", "input"), ("o", "output")):
        yield Hypothesis(f"the {name} gate is left out", _gate(config, letter, torch.ones_like))
    yield Hypothesis("h is computed from the cell state before the step", _from_the_cell_before)
    for one, other in permutations("ifo", 2):
        yield Hypothesis(f"gate {one} stands in place of gate {other}", _seeing("s", _in_place_of(config, one, other)))


OF_THE_CELL: Mapping[Kind, Callable[[Config], Iterator[Hypothesis]]] = {
    kinds.GRU: _gru_reset_after,
    kinds.GRU_RESET_BEFORE: _gru,
    kinds.LSTM: _lstm,
}
"""What is done differently in the equations of one kind alone."""


def _cell(config: Config) -> Iterator[Hypothesis]:
    yield from OF_THE_CELL.get(config.kind, lambda _: iter(()))(config)


def _gate(config: Config, letter: str, change: Function, place: str = "s") -> Change:
    """A gate, or its pre-activation, is another number."""
    return _seeing(place, gate(config.kind.order.index(letter), change))


def _in_place_of(config: Config, one: str, other: str) -> Function:
    """Give one of the stacked gates the numbers of another."""
    taken, lost = map(config.kind.order.index, (one, other))
    return lambda s: torch.stack([s[taken] if i == lost else value for i, value in enumerate(s)])


def _remembering(asked: Asked, *places: str) -> tuple[Asked, dict[str, torch.Tensor]]:
    """The case in which the last value at each of these places is kept, and where it is kept."""
    kept: dict[str, torch.Tensor] = {}

    def keeping(place: str) -> Function:
        def keep(value: torch.Tensor) -> torch.Tensor:
            kept[place] = value
            return value

        return keep

    return asked.seeing({place: keeping(place) for place in places}), kept


def _new_state(change: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> Change:
    """A GRU's new state is another function of itself, z and the candidate."""

    def changed(asked: Asked) -> Asked:
        seen, kept = _remembering(asked, "s", "g")
        return seen.seeing({"h": lambda h: change(h, kept["s"][1], kept["g"])})

    return changed


def _from_the_cell_before(asked: Asked) -> Asked:
    seen, kept = _remembering(asked, "s", "g")
    return seen.evaluating("squash", lambda c: torch.tanh((c - kept["s"][0] * kept["g"]) / kept["s"][1]))


def _coupled(s: torch.Tensor) -> torch.Tensor:
    return torch.stack([s[0], 1 - s[0], s[2]])


def _evaluating(name: str, function: Function) -> Change:
    return lambda asked: asked.evaluating(name, function)


def _both_tanhs(function: Function) -> Change:
    return lambda asked: asked.evaluating("tanh", function).evaluating("squash", function)


def _functions(config: Config) -> Iterator[Hypothesis]:
    sigmoids = config.kind.sigmoids
    for name, function in SIGMOIDS.items() if sigmoids else ():
        yield Hypothesis(f"the sigmoid is {name}", _evaluating("sigmoid", function))
        for index, letter in enumerate(sigmoids):
            yield Hypothesis(f"the sigmoid of gate {letter} is {name}", _evaluating("sigmoid", one_sigmoid(index, function)))
    activation = config.kind.activation
    others = {"tanh": torch.tanh, "left out": lambda x: x} if config.kind.rectifies else TANHS
    for name, function in others.items():
        if config.kind.squashes:
            yield Hypothesis(f"every tanh is {name}", _both_tanhs(function))
            yield Hypothesis(f"the tanh of the cell state is {name}", _evaluating("squash", function))
        which = " of the candidate" if sigmoids else ""
        yield Hypothesis(f"the {activation}{which} is {name}", _evaluating(activation, function))


def _parameters(config: Config) -> Iterator[Hypothesis]:
    if not config.proj_size:
        yield Hypothesis("weight_hh is transposed", alterations.transpose_recurrent, True)
    if config.bias:
        every = config.gates
        for name in ("bias_hh", "bias_ih"):
            left_out = alterations.rows(name, every, torch.zeros_like)
            yield Hypothesis(f"{name} is left out", left_out, True)
            yield Hypothesis(f"{name} is added twice", alterations.rows(name, every, lambda bias: 2 * bias), True)
        yield Hypothesis("both biases are left out", alterations.rows("bias", every, torch.zeros_like), True)
        yield Hypothesis("both biases are added twice", alterations.rows("bias", every, lambda bias: 2 * bias))
    yield Hypothesis("weight_hh is left out", alterations.rows("weight_hh", config.gates, torch.zeros_like))


def _strands(config: Config) -> Iterator[Hypothesis]:
    if config.bidirectional:
        swapped = alterations.renamed(lambda _, layer, direction: (layer, 1 - direction))
        shared = alterations.renamed(lambda _, layer, direction: (layer, 0))
        yield Hypothesis("the directions' parameters are exchanged", swapped, True)
        yield Hypothesis("the reverse direction uses the forward one's parameters", shared)
        yield Hypothesis("the reverse outputs are left in processing order", alterations.processing_order, True)
        reverse_first = alterations.joined(lambda outputs: torch.cat(list(outputs)[::-1], -1))
        yield Hypothesis("the output holds the reverse direction first", reverse_first, True)
        yield Hypothesis("the output interleaves the directions", alterations.joined(alterations.interleaved))
        forwards = "the reverse direction reads the sequence forwards"
        yield Hypothesis(forwards, lambda asked: asked.but(reads_forwards=True))
        both = alterations.states_of(lambda _, layer, d: (layer, 0))
        yield Hypothesis("the reverse direction starts from the forward one's initial state", both)
        yield Hypothesis("the directions' initial states are exchanged", alterations.states_swapped)
        yield Hypothesis("the directions' final states are exchanged", alterations.finals_swapped)
        at_end = "the reverse direction's h_n is its output at the last time step"
        yield Hypothesis(at_end, alterations.reverse_final_from_the_end)
    if config.bidirectional and config.num_layers > 1:
        for read in (alterations.states_direction_major, alterations.finals_direction_major):
            which = "initial" if read is alterations.states_direction_major else "final"
            yield Hypothesis(f"the {which} states are direction-major", read, True)
    if config.num_layers > 2:
        second = alterations.renamed(lambda _, layer, d: (min(layer, 1), d))
        yield Hypothesis("all layers above the first use the parameters of layer 1", second)
    if config.num_layers > 1:
        flipped = alterations.renamed(lambda config, layer, d: (config.num_layers - 1 - layer, d))
        yield Hypothesis("the layers' parameters are exchanged", flipped)
        for kind in ("weight_hh", "bias"):
            first = alterations.renamed(lambda _, layer, d: (0, d), kind)
            yield Hypothesis(f"all layers use the {kind} of layer 0", first)
        first_layer = alterations.states_of(lambda _, layer, d: (0, d))
        yield Hypothesis("every layer starts from the first layer's initial state", first_layer)
        yield Hypothesis("the last layer's final state is returned for every layer", alterations.last_final_for_all)
        yield Hypothesis("the layers' initial states are in the opposite order", alterations.layers_flipped)
        yield Hypothesis("the layers' final states are in the opposite order", alterations.finals_flipped)


def _states(config: Config) -> Iterator[Hypothesis]:
    yield Hypothesis("the initial state is ignored", lambda asked: asked.states(torch.zeros_like), True)
    if "c" in config.state_sizes:
        no_h = "the initial h is ignored"
        yield Hypothesis(no_h, lambda asked: asked.but(h_0=torch.zeros_like(asked.h_0)))
        yield Hypothesis("the initial c is ignored", _without_c)
        if not config.proj_size:
            yield Hypothesis("the initial h and c are exchanged", alterations.exchange, True)
            yield Hypothesis("the final h and c are exchanged", alterations.exchange_finals, True)
    if config.num_layers * config.directions > 1:
        first = alterations.states_of(lambda _, layer, d: (0, 0))
        yield Hypothesis("every layer and direction starts from the first initial state", first)
        yield Hypothesis("the initial states are read batch first", sequences.states_batch_first)
        yield Hypothesis("the final states are written batch first", sequences.finals_batch_first)
    yield Hypothesis("every row starts from the first row's initial state", sequences.first_row_for_all)
    yield Hypothesis("every step starts from the initial state", lambda asked: asked.but(forgetful=True))


def _without_c(asked: Asked) -> Asked:
    return asked.but(c_0=None)


def _padding(name: str, change: Change, common: bool = False) -> Iterator[Hypothesis]:
    """Padding is read: the caller's, or the zeros of a packed sequence that was padded again."""
    yield Hypothesis(name, change, common)
    yield Hypothesis(name, lambda asked: change(sequences.unpacked(asked)), common)


def _sequences(config: Config, lengths: bool, square: bool) -> Iterator[Hypothesis]:
    yield Hypothesis("sequences are read from the end", sequences.rows_reversed_in_time)
    yield Hypothesis("the output is in reverse order of time", alterations.outputs_reversed)
    yield Hypothesis("input and output are reshaped instead of transposed", sequences.time_and_batch_exchanged)
    if square:
        yield Hypothesis("time and batch are exchanged", sequences.batch_runs_as_time)
    if lengths:
        ignored, whole = "the lengths are ignored", "the lengths are ignored, in the output too"
        yield from _padding(ignored, sequences.lengths_ignored, True)
        yield from _padding(whole, lambda asked: asked.but(lengths=None))
        yield from _padding("all sequences end where the first one does", sequences.end_with_the_first)
        yield from _padding("each sequence ends one step too late", sequences.end_a_step_late)
        if config.bidirectional:
            yield from _padding("the reverse direction starts in the padding", sequences.reverse_starts_in_padding)
        yield Hypothesis("h_n is the output at the last step of the batch", alterations.last_padded_step)
        yield Hypothesis("initial states are not sorted with the sequences", sequences.states_not_sorted, True)
        if "c" in config.state_sizes:
            yield Hypothesis("the initial c is not sorted with the sequences", sequences.cells_not_sorted)
        yield Hypothesis("final states are left in the order of the sorted sequences", sequences.finals_not_restored, True)
        yield Hypothesis("results are left in the order of the sorted sequences", sequences.outputs_not_restored, True)
        yield Hypothesis("outputs are left in the order of the sorted sequences", sequences.outputs_alone_not_restored)


def hypotheses(config: Config, lengths: bool = False, square: bool = False) -> list[Hypothesis]:
    """All that apply to this configuration; lengths: whether there are any; square: whether time equals batch."""
    families = (_cell, _gates, _parameters, _strands, _states, _functions)
    found = [hypothesis for family in families for hypothesis in family(config)]
    return found + list(_sequences(config, lengths, square))


def in_the_cell(config: Config) -> list[Hypothesis]:
    """Those about the equations of one step and about parameters, the order of the gates excepted."""
    return [hypothesis for family in (_cell, _functions, _parameters) for hypothesis in family(config)]
