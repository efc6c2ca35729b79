"""Whether each output is to depend on the whole sequence, by what parts of a layer are given: two directions, or a decoder."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.core.config import Config
from rnncheck.reading.adapter.adapted import Adapted
from rnncheck.reading.calls.experiment import example, quiet, rows_tried, steps_tried
from rnncheck.reading.calls.results import leaves
from rnncheck.reading.seen import Seen

Call = tuple[nn.Module, Tensor, list[Tensor], Any]
"""A part inside, the tensor that it was given, those given beside it, and what it returned."""


def is_summed(module: Any, seen: Seen, config: Config, zero: Any) -> bool:
    """Return whether each output depends on each input, and the sequence is read in both directions inside.

    zero: a state of zeros, where one can be given
    """
    return _everywhere(module, seen) and (_has_both(module) or _turns_a_sequence(module, seen, config, zero, or_returned=True))


def has_two_halves(module: Any, seen: Seen, config: Config, zero: Any) -> bool:
    """Return whether the halves of the features are meant for two directions, though one of them, or both, are mixed.

    One half is of one direction, and parts inside are given one sequence in both orders, of which the halves are not of one
    direction each. Or none is, and the first half ends, and the second one begins, with states that come back.
    """
    if not _everywhere(module, seen):
        return False
    if seen.depends.half:
        both = _has_both(module) or _turns_a_sequence(module, seen, config, zero, or_returned=False)
        return both and not _are_halves_inside(module, seen, config, zero)
    _, output, final = _called(module, seen, config, zero)
    ends, begins = output[-1, :, : config.hidden_size], output[0, :, config.hidden_size :]
    return final is not None and _ends_with(final, ends) and _ends_with(final, begins)


def as_wide_as_both(module: Any, seen: Seen, config: Config, zero: Any) -> Seen:
    """The reading in which twice the state's features are those of one output, where both directions are in each of them."""
    if seen.features != 2 * config.hidden_size or not is_summed(module, seen, config, zero):
        return seen
    return replace(seen, how={**seen.how, "features": seen.features})


def is_decoded(module: Any, seen: Seen, config: Config, zero: Any) -> bool:
    """Return whether a part inside is given what another part returned for a whole sequence: a decoder.

    It is given one vector at each step, which is no sum or mean over the sequence, and no step of the input; or it begins with the
    state in which the other one ended, and reads the same sequence again, or each step of it one step later.
    """
    if not _everywhere(module, seen):
        return False
    calls = _calls(module, seen, config, zero)
    sequences = ((place, given, time) for place, (_, given, _, _) in enumerate(calls) for time in (0, 1) if given.dim() == 3)
    repeated = ((place, given.select(time, 0)) for place, given, time in sequences if _is_one_step(given, time))
    if any(_ends_with(back, vector) for place, vector in repeated for _, read, _, back in calls[:place] if read.dim() == 3):
        return True
    pairs = ((one, other) for place, other in enumerate(calls) for one in calls[:place] if one[0] is not other[0])
    return any(_goes_on(one[1], one[3], *other[1:3]) for one, other in pairs)


def _goes_on(read: Tensor, back: Any, given: Tensor, state: list[Tensor]) -> bool:
    """Whether a part begins with the state that came back for the same sequence, and reads it again or a step later."""
    if not state or read.dim() != 3 or given.shape != read.shape:
        return False
    later = any(torch.equal(given.movedim(time, 0)[1:], read.movedim(time, 0)[:-1]) for time in (0, 1))
    returned = [t for _, t in leaves(back)]
    return (later or torch.equal(given, read)) and all(any(torch.equal(t, other) for other in returned) for t in state)


def _is_one_step(sequence: Tensor, time: int) -> bool:
    """Whether each step along this axis of time is the same."""
    return sequence.shape[time] == steps_tried() and torch.equal(sequence, sequence.narrow(time, 0, 1).expand_as(sequence))


def _ends_with(returned: Any, vector: Tensor) -> bool:
    """Whether this vector of each row is a part of what was returned, or of a state in it."""
    parts = [t for _, t in leaves(returned)]
    return any(torch.equal(part, vector) for t in parts for part in (t, *(t.unbind(0) if t.dim() == 3 else ())))


def _everywhere(module: Any, seen: Seen) -> bool:
    """Whether each output of a sequence depends on earlier and on later steps."""
    whole = seen.directions == 1 and not seen.how["last"] and seen.how.get("input") != "step"
    return isinstance(module, nn.Module) and whole and max(seen.depends.forward, seen.depends.reverse) < 1.0


def _has_both(module: nn.Module) -> bool:
    return any(getattr(part, "bidirectional", False) is True for part in module.modules())


def _turns_a_sequence(module: nn.Module, seen: Seen, config: Config, zero: Any, *, or_returned: bool) -> bool:
    """Whether a part inside is given, in reverse order of time, what one is given, or returns."""
    calls = _calls(module, seen, config, zero)
    given = _sequences([(part, given) for part, given, *_ in calls])
    pairs = [(one, other) for one in given for other in given]
    if or_returned:  # by a part that has a state: any layer may be given a sequence turned
        recurrent = _sequences([(part, given) for part, given, beside, back in calls if beside or len(list(leaves(back))) > 1])
        returned = _sequences([(part, t) for part, _, _, back in calls for _, t in leaves(back)])
        pairs += [(one, other) for one in recurrent for other in returned]
    return any(one is not other and _is_turned(one, other) for one, other in pairs)


def _are_halves_inside(module: nn.Module, seen: Seen, config: Config, zero: Any) -> bool:
    """Whether the halves are of one direction each of the sequence that one part reads both ways, or two parts read in both orders.

    Then it is what comes before, a layer of one direction, through which the second half depends on earlier steps too.
    """
    module, size = copy.deepcopy(module), config.hidden_size
    calls, before, _ = _called_itself(module, seen, config, zero)

    def hold(reads: list[tuple[nn.Module, bool, int]]) -> bool:
        for step in range(steps_tried()):
            places = [(part, steps_tried() - 1 - step if turned else step, time) for part, turned, time in reads]
            hooks = [part.register_forward_pre_hook(_other(place, time)) for part, place, time in places]
            moved = (_called_itself(module, seen, config, zero)[1] != before).any(1)
            for hook in hooks:
                hook.remove()
            if moved[:step, :size].any() or moved[step + 1 :, size:].any() or not moved[step].any():
                return False
        return True

    return any(hold(reads) for reads in _read_both_ways(calls))


def _other(step: int, time: int) -> Any:
    """What a part is given, with other numbers at this step of a sequence."""

    def changed(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        first = given[0].clone()
        first.select(time, step).add_(1.0)
        return first, *given[1:]

    return changed


def _read_both_ways(calls: list[Call]) -> list[list[tuple[nn.Module, bool, int]]]:
    """The part that reads a sequence in both directions, or the two that read it in either order, each of which may be turned.

    Of each part: whether its sequence is turned, and its axis of time; nothing where there are several such parts or pairs.
    """
    given = [(part, x, int(x.shape[0] != steps_tried())) for part, x, *_ in calls if x.dim() == 3 and steps_tried() in x.shape[:2]]
    alone = [[(part, False, time)] for part, _, time in given if getattr(part, "bidirectional", False) is True]
    pairs = [
        [[(part, turned, time), (other, not turned, time)] for turned in (False, True)]
        for place, (part, x, time) in enumerate(given)
        for other, y, _ in given[place + 1 :]
        if x.shape == y.shape and torch.equal(x.flip(time), y)
    ]
    return alone if len(alone) == 1 else pairs[0] if len(pairs) == 1 and not alone else []


def _is_turned(one: Tensor, other: Tensor) -> bool:
    """Whether one is the other in reverse order of an axis that may be that of time: rows, which may be alike, are none."""
    steps = [time for time in (0, 1) if one.shape[time] not in (1, rows_tried())]
    return one.shape == other.shape and any(torch.equal(one.flip(time), other) for time in steps)


def _calls(module: nn.Module, seen: Seen, config: Config, zero: Any) -> list[Call]:
    """Each call of a part inside, in order."""
    return _called(module, seen, config, zero)[0]


def _called(module: nn.Module, seen: Seen, config: Config, zero: Any) -> tuple[list[Call], Tensor, Any]:
    """Each call of a part inside, the output, (time, batch, features), and the final state."""
    return _called_itself(copy.deepcopy(module), seen, config, zero)  # a call may leave something in it


def _called_itself(module: nn.Module, seen: Seen, config: Config, zero: Any) -> tuple[list[Call], Tensor, Any]:
    """The same of the module itself, which gets hooks."""
    calls: list[tuple[nn.Module, tuple[Any, ...], Any]] = []
    for part in module.modules():
        if part is not module and not isinstance(part, torch.jit.ScriptModule):
            part.register_forward_hook(lambda part, given, returned: calls.append((part, given, returned)))
    how, x = seen.how, example(config.input_size, 3)
    called = Adapted(module, config.hidden_size, **how)
    with quiet():
        output, final = called(x.transpose(0, 1) if how["batch_first"] else x, zero if seen.needed else None)
    tensors = [(part, given, back) for part, given, back in calls if given and isinstance(given[0], Tensor)]
    each = [(part, given[0], [t for _, t in leaves(given[1:])], back) for part, given, back in tensors]
    return each, output.transpose(0, 1) if how["batch_first"] else output, final


def _sequences(calls: list[tuple[nn.Module, Tensor]]) -> list[Tensor]:
    """The sequences that parts are given: in one call, or step by step."""
    whole = [given for _, given in calls if given.dim() == 3]
    steps: dict[nn.Module, list[Tensor]] = {}
    for part, given in calls:
        if given.dim() == 2:
            steps.setdefault(part, []).append(given)
    return whole + [torch.stack(given) for given in steps.values() if len({one.shape for one in given}) == 1]
