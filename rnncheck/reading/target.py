"""From a class, a factory or an object to its Reading."""

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from rnncheck.core.config import Config, Mode
from rnncheck.core.kinds import kind_of, modes_by_states
from rnncheck.reading.both_ways import as_wide_as_both, has_two_halves, is_decoded, is_summed
from rnncheck.reading.calls.dependency import no_recurrence
from rnncheck.reading.calls.experiment import Sizes, Start, Unreadable, apart_from_sizes, example, quiet, runner
from rnncheck.reading.calls.form_of_lengths import lengths_come_back
from rnncheck.reading.calls.other_methods import counts_axes, normalises_over_rows
from rnncheck.reading.calls.time_limit import limited
from rnncheck.reading.clock import clock_of
from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.multiples import SIZES, least, multiples, nothing, takes
from rnncheck.reading.further import further_arguments, mask_makes_it_forget
from rnncheck.reading.gradients import in_training_alone, learned_start, not_looked_at
from rnncheck.reading.in_training import draws, draws_in_two_layers, moved_buffer
from rnncheck.reading.left_out import other_arguments, other_options, other_sizes
from rnncheck.reading.one_row import or_one_row
from rnncheck.reading.other_numbers import with_other_numbers, zeros
from rnncheck.reading.own_sizes import of_object
from rnncheck.reading.parameters.arrangement import Arrangement, best_arrangement, randomised
from rnncheck.reading.parameters.parameter_names import match, own_parameters
from rnncheck.reading.read import read_module
from rnncheck.reading.reading import Reading
from rnncheck.reading.said import NOTHING, Said
from rnncheck.reading.second_looks import Built, called
from rnncheck.reading.seen import Seen
from rnncheck.reading.shifted import is_shifted
from rnncheck.reading.signature import Signature
from rnncheck.reading.ways_to_build import best_way, simplest

TORCHS = {kind.forward for kind in (nn.RNN, nn.GRU, nn.LSTM, nn.RNNCell, nn.GRUCell, nn.LSTMCell)}


def read_target(value: Any, fixed: Config | None = None, *, cell_first: bool = False,
                reference: tuple[Mode, ...] = (), said: Said = NOTHING) -> Reading | None:  # fmt: skip
    """Return how this target is built and called; None for torch's own layers and their subclasses, which are known.

    fixed: of an object that exists already, its configuration; reference: the modes that it is asked to agree with;
    said: what a user says of it

    Raises Unreadable with the reason of the most promising attempt.
    """
    kind = value if isinstance(value, type) else type(value)
    if issubclass(kind, nn.RNNBase | nn.RNNCellBase) and kind.forward in TORCHS:
        return None
    if said.get("kind") == "cell":
        said = {"input": "step", **said}
    with quiet(grad=True), limited():
        exists = fixed is not None or isinstance(value, nn.Module)
        try:
            seen, arguments, module, config = _existing(value, fixed, said) if exists else best_way(value, cell_first, said)
        except Unreadable as why:
            raise or_one_row(why, cell_first, said) from None
        sizes = Sizes(config.input_size, config.hidden_size, config.num_layers, seen.directions)
        with apart_from_sizes(module, sizes):
            if _takes_no_lengths(module, seen, config, sizes):
                seen = read_module(module, sizes, cell_first, {**said, "lengths": []})
            if not exists and seen.directions == 1 and _has_two_directions(module, seen, config, reference):
                seen = _in_two_directions(module, seen, config, cell_first, said)
            seen = as_wide_as_both(module, seen, config, zeros(seen, config))
            seen = with_other_numbers(module, seen, config, cell_first, said)
            if not seen.recurs:
                refusal = no_recurrence(seen.depends, seen.how.get("input") == "step")
                refusal.met_by = module, sizes
                raise or_one_row(refusal, cell_first, said)
            return _reading(value, seen, arguments, module, config, reference, exists, said)


def _takes_no_lengths(module: Any, seen: Seen, config: Config, sizes: Sizes) -> bool:
    """Whether what is taken for lengths says where an episode begins, or goes through a layer that needs none."""
    zero = zeros(seen, config)
    if mask_makes_it_forget(module, seen, config, zero):
        return True
    causal = seen.depends.forward == 1 and not seen.how["last"] and seen.how.get("input") != "step"
    return causal and bool(seen.how["lengths"]) and lengths_come_back(module, seen.how, sizes, zero)


def _has_two_directions(module: Any, seen: Seen, config: Config, reference: tuple[Mode, ...]) -> bool:
    """Whether output and states have the sizes of two directions of torch's layer with which it is to agree.

    Or its halves are meant for two directions, though one of them, or both, are mixed.
    """
    if seen.features != 2 * config.hidden_size:
        return False
    states = {len(kind_of(mode).states) for mode in reference if kind_of(mode).in_torch}
    halves = has_two_halves(module, seen, config, zeros(seen, config))
    return halves or any(seen.parts == 2 * number for number in states)


def _in_two_directions(module: Any, seen: Seen, config: Config, cell_first: bool, said: Said) -> Seen:
    """The reading as two directions, whatever the second one reads: if that is wrong, the comparison says so."""
    try:
        return read_module(module, Sizes(config.input_size, config.hidden_size, config.num_layers, 2), cell_first, said)
    except Unreadable:
        return seen


def _existing(value: Any, fixed: Config | None, said: Said) -> Built:
    """An object and how it is read, in the configuration that it tells, or with sizes among those of its parameters."""
    if fixed is None:
        return of_object(value, said)
    module = copy.deepcopy(value)
    module = module.double().eval() if isinstance(module, nn.Module) else module
    sizes = Sizes(fixed.input_size, fixed.hidden_size, fixed.num_layers, fixed.directions)
    return read_module(module, sizes, said=said), None, module, fixed


def _reading(value: Any, seen: Seen, arguments: Arguments | None, module: Any, config: Config,
             reference: tuple[Mode, ...], exists: bool, said: Said) -> Reading:  # fmt: skip
    layers = config.num_layers
    taken = not exists and "batch_first" in Signature.of(value).names
    says_axes = (hasattr(module, "batch_first") or taken) and not _leaves_out(value, arguments, "batch_first")
    nature = _nature(value, seen, arguments, module, config, exists, said)
    start = learned_start(module, seen, config, zeros(seen, config))
    moves = "batch norm" if normalises_over_rows(module) else moved_buffer(module, config, seen)
    random = draws(module, config, seen) or (not exists and draws_in_two_layers(value, arguments, config, seen))
    how = {**seen.how, "eval": said.get("eval", bool(moves) or random)}
    idle = start + not_looked_at(module, seen, config, zeros(seen, config, 0.3))
    idle += in_training_alone(module, seen, config, zeros(seen, config, 0.3)) if how["eval"] else ()
    nature |= {name: found for name, found in (("idle", idle), ("start", start), ("eval", how["eval"])) if found}
    each = 0 if seen.parts == 0 else seen.parts // (layers * seen.directions)
    nearest = _arrangement(module, seen, config, arguments)
    arrangement = nearest if nearest is not None and (nearest.exact or nearest.mode in reference) else None
    if arrangement is not None and _names_say(module, arrangement, config):
        arrangement = None
    further = further_arguments(module, seen, config, zeros(seen, config))
    plain = seen.plain and not how["eval"] and not (arguments is not None and _is_one_layers(how) and _takes_several(arguments))
    if arrangement is not None and not arrangement.bias:
        nature["bias"] = False
    if not seen.pair and each > 1 and arrangement is None:
        nature["parts"] = each
    known = reference or (nearest is not None and (nearest.exact or nearest.change is not None))
    if not known and (count := clock_of(module, seen, config, zeros(seen, config))) is not None:
        nature["clock"] = count
    return Reading(
        kind="cell" if how.get("input") == "step" else "layer",
        arguments=None if arguments is None or _usual(value, arguments) else arguments,
        how={**how, "needed": bool(seen.needed)},
        plain=plain,
        batch_first=None if says_axes or how.get("input") == "step" else how["batch_first"],
        nature=nature,
        parts=each,
        pair=seen.pair,
        known={**dict.fromkeys(("call", "axes", "state"), "experiment"), **dict.fromkeys(said, "said by the user")},
        arrangement=arrangement,
        nearly=_nearly(nearest) if arrangement is None and nearest is not None else None,
        sizes=(config.input_size, config.hidden_size),
        layers=layers,
        directions=seen.directions,
        unread=seen.unread,
        idle=seen.idle,
        moves=moves,
        further=tuple(one for one in further if one.looked_at),
        notes=(
            *seen.extras,
            *(f"parameter {name}" for name in idle if name not in start),
            *other_arguments(module, seen, further),
            *other_sizes(nature.get("multiples", (1, 1)), nature.get("least", (1, 1))),
            *(() if arguments is None else other_options(value, arguments)),
        ),
    )


def _nature(value: Any, seen: Seen, arguments: Arguments | None, module: Any, config: Config,
            exists: bool, said: Said) -> dict[str, Any]:  # fmt: skip
    """What is always so with this layer, whatever is asked of it."""
    nature: dict[str, Any] = {}
    if seen.directions == 2 and not exists and not (arguments and "bidirectional" in arguments.options):
        nature["bidirectional"] = True
    if arguments is not None and arguments.square:
        nature["square"] = True
    if arguments is not None and arguments.own is None and config.hidden_size in {hidden for _, hidden in SIZES}:
        refused_when_called = takes(value, arguments, simplest(value, arguments))
        nature["multiples"] = multiples(value, arguments, config, partial(called, seen) if refused_when_called else nothing)
    elif arguments is not None and arguments.own is None and max(smallest := least(value, arguments, config)) > 1:
        nature["least"] = smallest
    if is_summed(module, seen, config, zeros(seen, config)):
        nature["summed"] = True
    elif said.get("decoded", is_decoded(module, seen, config, zeros(seen, config))):
        nature["decoded"] = True
    elif is_shifted(module, seen, config, zeros(seen, config)):
        nature["shifted"] = True
    ahead = bool(said.get("looks_ahead"))
    others = {"counts_axes": counts_axes(module), "looks_back": seen.looks_back or ahead, "looks_ahead": ahead}
    others["last"] = bool(seen.how["last"])
    nature |= {word: True for word, so in others.items() if so}
    if seen.with_rows and isinstance(module, nn.Module):
        nature["with_rows"] = (bool(seen.how.get("batch_first")), seen.with_rows)
    return nature


def _is_one_layers(how: Mapping[str, Any]) -> bool:
    """Whether the state has no axis of layers: that of several layers, or directions, looks otherwise."""
    return any(axes[:1] == ("batch",) for axes in how["tensors"])


def _takes_several(arguments: Arguments) -> bool:
    return not arguments.options.keys().isdisjoint(("num_layers", "bidirectional"))


def _leaves_out(value: Any, arguments: Arguments | None, word: str) -> bool:
    """Whether the constructor takes an option of torch's, and works with its own default alone."""
    return arguments is not None and word in Signature.of(value).names and word not in arguments.options


def _usual(value: Any, arguments: Arguments) -> bool:
    """Whether the constructor is called as torch's is, or under usual names."""
    signature = Signature.of(value)
    if arguments.own is not None or any(_leaves_out(value, arguments, word) for word in ("batch_first", "bias")):
        return False
    same = all(word == own for word, own in arguments.options.items())
    more = arguments.others or arguments.halves or arguments.holds or arguments.bundle is not None or arguments.listed is not None
    sizes = signature.size_names()
    first = signature.positional[:2]
    by_name = sizes is not None and (arguments.input, arguments.hidden) == ((sizes[0],), (sizes[1],))
    places = (*arguments.input, *arguments.hidden)
    by_place = len(arguments.input) == 1 and (places == (0, 1) or (sizes is None and places == first))
    return same and not more and (by_name or by_place)


def _arrangement(module: Any, seen: Seen, config: Config, arguments: Arguments | None) -> Arrangement | None:
    """How its parameters hold torch's, as nearly as they do."""
    many = arguments is not None and {"num_layers", "bidirectional"} & arguments.options.keys()
    if not isinstance(module, nn.Module) or many or config.num_layers > 1 or seen.directions > 1 or seen.how.get("ids"):
        return None
    other = randomised(copy.deepcopy(module))
    sizes = Sizes(config.input_size, config.hidden_size)
    run = runner(other, seen.how, Start(), sizes)
    x = example(config.input_size, 2)

    def output(x: Tensor) -> Tensor:
        return run(x, zeros(seen, config))[0]

    return best_arrangement(other, output, config, x, _possible(seen))


def _names_say(module: nn.Module, best: Arrangement, config: Config) -> bool:
    own = own_parameters(module)
    by_name = match(own, config.but(mode=best.mode, bias=best.bias, reset_after=True))
    return by_name is not None and _said_by_names(own, best)


def _nearly(nearest: Arrangement) -> str | None:
    """Which correct layer it is with one change, and which change."""
    if nearest.change is None:
        return None
    return f"{kind_of(nearest.mode, reset_after=nearest.reset_after).title}, except that {nearest.change}"


def _said_by_names(own: Mapping[str, Tensor], best: Arrangement) -> bool:
    """Whether the names say what goes where, and torch's order of gates is kept; torch's own names always say it."""
    torchs = {"weight_ih_l0", "weight_hh_l0"} <= own.keys()
    in_order = (
        best.exact
        and "".join(best.gates) == kind_of(best.mode).gates
        and all(block[2] == 1 and block[3] == 0.0 for _, rows in best.pieces for row in rows for block in row)
    )
    whole = all(not transposed and all(len(row) == 1 for row in rows) for transposed, rows in best.pieces)
    return torchs or (in_order and whole)


def _possible(seen: Seen) -> tuple[Mode, ...]:
    return modes_by_states(1 + seen.pair if seen.parts or seen.pair else None)
