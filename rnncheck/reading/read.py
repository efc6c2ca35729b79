"""Read a target by experiments on small shapes whose sizes all differ; names are hints where two readings fit."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rnncheck.reading.adapter.adapted import FLAT
from rnncheck.reading.adapter.token_ids import give_tables_back
from rnncheck.reading.calls.beside import OF_STEPS, another_is_called_so
from rnncheck.reading.calls.call_arguments import is_state_word, kept, later_inputs, named_or_needed, state_parameters
from rnncheck.reading.calls.dependency import Dependency, dependency
from rnncheck.reading.calls.experiment import (
    Sizes,
    Start,
    Unreadable,
    apart_from_sizes,
    call,
    example,
    got_as_far_as,
    rows_tried,
    runner,
    told,
)
from rnncheck.reading.calls.form_of_lengths import form_of_lengths, lengths_change_nothing
from rnncheck.reading.calls.forms import forms
from rnncheck.reading.calls.guessed_lengths import end_the_sequences, is_guessed, lengths_left_out
from rnncheck.reading.calls.halves import is_one_recurrence
from rnncheck.reading.calls.order_of_lengths import is_longest_first
from rnncheck.reading.calls.other_methods import convolves
from rnncheck.reading.calls.outputs import (
    is_a_picture,
    of_twice_the_steps,
    output_of,
    require_single_steps,
    require_steps_of_the_input,
)
from rnncheck.reading.calls.plain_calls import is_plain, returns_no_more
from rnncheck.reading.calls.refusals import Refusals
from rnncheck.reading.calls.results import value_at
from rnncheck.reading.calls.starts import starts
from rnncheck.reading.calls.states import groups, may_be_a_state, ways
from rnncheck.reading.calls.time_limit import is_over, left_out
from rnncheck.reading.calls.unread import extras_of, of_pairs_of_steps, others, unread_of, with_rows
from rnncheck.reading.carries import (
    carries_on,
    changes_no_later_call,
    changes_nothing,
    ignores_a_part,
    is_broadcast,
    is_idle,
    parts_in,
    taken,
    takes_as_h_and_c,
    takes_one_more_row,
)
from rnncheck.reading.said import NOTHING, OF_A_RESULT, OF_A_STATE, Said, agrees, asked
from rnncheck.reading.seen import Seen, better_of

FORM = (
    "input", "batch_first", "step_axis", "lengths", "reset", "ids", "tied", "tensors", "states", "order", "input_name", "beside",
    "rows", "asks", "images", "nodes",
)  # fmt: skip
"""Words that hold for other numbers of layers and directions too."""
UNLIKELY = "time features batch"
"""A layer of (batch, features, time) that takes rows for steps looks so too: a state of columns, or a person, must say it."""
OTHERWISE = "its state has another structure with other layers or directions"


def read_module(module: Any, sizes: Sizes, cell_first: bool = False, said: Said = NOTHING, begun: bool = False) -> Seen:
    """Return the best way to call this module of those that agree with what is said; raises Unreadable where none works.

    begun: whether a state is given though it may be left out: the module's own has another dtype
    """
    with apart_from_sizes(module, sizes):
        seen = _best_of(module, sizes, cell_first, said, begun)
    if not seen.how.get("ids"):
        give_tables_back(module)
    return seen


def _best_of(module: Any, sizes: Sizes, cell_first: bool, said: Said, begun: bool) -> Seen:
    best: Seen | None = None
    failures, got_to, refusals = list[str](), dict[str, float](), Refusals(module, sizes)
    possible, later = forms(module, cell_first, said, sizes.input), later_inputs(module)
    whole = of_dtypes = False
    for how in possible:
        whole |= best is not None and how.get("step_axis") is not None
        if how.get("nodes"):
            if best is not None and best.recurs:
                break  # what takes several nodes may take a single one, too: they come last
        elif whole and how.get("input_name") not in later:
            continue  # a layer that takes whole sequences takes single steps too
        if (refused := refusals.reason(how)) is not None:
            failures.append(refused)
            continue
        for start in starts(module, how, sizes, begun):
            if (refused := refusals.reason(how, start)) is not None:
                failures.append(refused)
                continue
            try:
                seen = _look(module, how, start, sizes, said)
            except Exception as error:  # this is not how it is called
                failures.append(told(error))
                of_dtypes |= "dtype" in failures[-1] and all(kind == "float" for _, _, kind, *_ in how.get("beside", ()))
                got_to.setdefault(failures[-1], got_as_far_as(module, error))
                refusals.learn(how, start, _given(how, example(sizes.input, 1)))
                continue
            best = seen if best is None else better_of(best, seen)
            if not (start.names and seen.complete and seen.left):  # else another state may be meant, and this one is broadcast
                break
        if best is not None and best.complete:
            break
        if is_over():
            failures.sort(key=lambda failure: -got_to.get(failure, 0))
            return _cut_short(best, failures, left_out(len(failures), [how, *possible]))
    if best is not None:
        return best
    if not begun and of_dtypes:
        return read_module(module, sizes, cell_first, said, begun=True)
    why = Unreadable(max(failures, key=lambda failure: got_to.get(failure, 0), default="it takes no input"))
    why.met_by = module, sizes
    raise why


def _cut_short(best: Seen | None, failures: list[str], left: str) -> Seen:
    """What was found when the time is over, with what was not tried; raises Unreadable where nothing was."""
    if best is None:
        raise Unreadable(f"{failures[0].rstrip().removesuffix('.')}. {left}")
    return replace(best, extras=(*best.extras, left))


def read_again(module: Any, how: Mapping[str, Any], sizes: Sizes) -> Mapping[str, Any]:
    """Return how this module of other layers or directions is called, in a form that is known.

    Raises Unreadable where no call succeeds, or none in which a state comes back as it does in that form.
    """
    form = {name: how[name] for name in FORM if name in how}
    with apart_from_sizes(module, sizes):
        for start in starts(module, form, sizes):
            try:
                found = _look(module, form, start, sizes).how
            except Exception:  # the state begins otherwise
                continue
            if (found["states"] is None) == (how["states"] is None):
                return found
    raise Unreadable(OTHERWISE)


def _given(how: Mapping[str, Any], x: Tensor) -> Tensor:
    """The input as this form of a call takes it: its first step, or rows first."""
    return x[0] if how.get("input") == "step" else x.transpose(0, 1) if how["batch_first"] else x


def _look(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes, said: Said = NOTHING) -> Seen:
    """Call the module in this form, find output and state in what comes back, and how the state goes in again."""
    x, step = example(sizes.input, 1), how.get("input") == "step"
    given = _given(how, x)
    moved = kept(module, lambda other: call(other, how, start, given.clone(), sizes))
    idle = moved is not None and changes_no_later_call(copy.deepcopy(module), how, start, given, sizes)
    how = {**how, "kept": None if idle else moved}
    first = call(module, how, start, own := given.clone(), sizes)
    given = own if torch.equal(own, given) else given  # a layer may return as its output what it wrote into
    if how.get("input") == "channels first" and is_a_picture(module, how, start, given, sizes):
        raise Unreadable("it takes a single step only where an axis of height comes before it")
    if how.get("input") == FLAT:
        require_single_steps(module, how, start, given, sizes)
    output, found = output_of(first, given, how, said, of_twice_the_steps(module, how, start, given, sizes))
    if found["last"]:
        require_steps_of_the_input(module, how, start, given, sizes, value_at(first, output), output)
    called = {**how, **found, "output": list(output)}
    usual = (sizes.hidden, 2 * sizes.hidden) if sizes.directions == 2 or not found["last"] else (sizes.hidden,)
    called["features"] = found["features"] if found["features"] not in usual else None
    settled, depends = called, None
    if not step:
        bare = {**called, "given": [], "states": None, "features": None}
        run = runner(module, bare, start, sizes)
        depends = dependency(lambda x: run(x)[0][-1:] if called["last"] else run(x)[0], x)
        if depends.reverse == 1.0 and depends.forward < 1.0 and not called["last"]:
            settled = {**called, "reverse": True}
        if depends.everywhere and sizes.directions == 1 and convolves(module) and found["features"] != sizes.hidden:
            settled["features"] = found["features"]
        if depends.two_ways and sizes.directions == 1 and found["features"] == 2 * sizes.hidden:
            return _look(module, how, start, replace(sizes, directions=2), said)
        doubled = sizes.directions == 1 and not called["last"] and found["features"] == 2 * sizes.hidden
        if doubled and depends.forward == 1.0 and is_one_recurrence(module, bare, start, x, sizes):
            settled = {**settled, "features": found["features"]}
    settled = {**settled, **asked(said, OF_A_RESULT)}
    grouped = groups(first, output, called, given, sizes, len(start.names))
    possible = [way for group in grouped for way in ways(module, first, group, settled, sizes)]
    possible = [
        way for way in possible if not (way["given"] and way["states"] is None and is_broadcast(module, way, first, given, sizes))
    ]
    if depends is not None and depends.everywhere:  # two parts in one tensor are the directions', and not h and c
        possible = [way | {"order": None} if len(way["tensors"]) == 1 else way for way in possible]
    best = max(_all_judged(module, possible, x, start, sizes, said, found["features"], depends), key=lambda seen: seen.score)
    if "lengths" not in said and is_guessed(best.how) and not end_the_sequences(module, best.how, start, sizes):
        raise Unreadable(f"{best.how['lengths'][0]} does not end the sequences")
    return _completed(module, best, first, given, x, start, sizes, said, moved if idle else None)


def _all_judged(module: Any, possible: list[dict[str, Any]], x: Tensor, start: Start, sizes: Sizes, said: Said, features: int,
                depends: Dependency | None) -> list[Seen]:  # fmt: skip
    """The ways that work and agree with what is said, each judged; raises the reason of the last one where none does."""
    judged: list[Seen] = []
    reasons: list[Exception] = [Unreadable("no state fits what read says of it")]
    for way in (way for way in possible if agrees(way, said, OF_A_STATE)):
        if way.get("input") == UNLIKELY and "input" not in said and not any(-1 in tensor[:-1] for tensor in way["tensors"]):
            reasons.append(Unreadable(f"only its output says that the input is ({', '.join(UNLIKELY.split())})"))
            continue
        try:
            judged.append(_judged(module, way, x, start, sizes, features, depends))
        except Exception as error:  # the state does not go in like this
            reasons.append(error)
    if not judged:
        raise reasons[-1]
    return judged


def _completed(module: Any, best: Seen, result: Any, given: Tensor, x: Tensor, start: Start, sizes: Sizes, said: Said,
               idle: str | None) -> Seen:  # fmt: skip
    """The best way with what else is known of it: in which form lengths go in, what is not read, and which attribute is idle."""
    how = best.how
    if how.get("input") != "step" and "lengths" not in said:
        known = form_of_lengths(module, how, start, sizes) if how["lengths"] else None
        how = {**how, "lengths": known or lengths_left_out(module, how, start, sizes)}
    if how["lengths"] and is_longest_first(module, how, start, sizes):
        how = {**how, "longest_first": True}
    still = how["lengths"] and how.get("input") != "step" and lengths_change_nothing(module, how, start, sizes)
    unread = (*([f"attribute {idle}, which changes no later call"] if idle else []), *unread_of(module, result, how))
    return replace(
        best,
        how=how,
        plain=is_plain(how, module, sizes) and returns_no_more(result),
        unread=unread,
        extras=(*extras_of(result, how, given), *([f"argument {how['lengths'][0]}, which changes nothing"] if still else [])),
        with_rows=with_rows(result, how),
        idle=is_idle(runner(module, how, start, sizes), x, how),
        alone=not (unread or state_parameters(module, how) or {one[1] for one in how.get("beside", ())} - OF_STEPS),
        looks_back=said.get("looks_back", best.carries < 1 and any(of_pairs_of_steps(t) for _, t in others(result, how))),
    )


def _judged(module: Any, how: Mapping[str, Any], x: Tensor, start: Start, sizes: Sizes, features: int,
            depends: Dependency | None) -> Seen:  # fmt: skip
    """How well this way explains the module: what depends on what, and whether a sequence in two pieces is the whole."""
    if not set(start.names) <= {name for name, _ in how["given"]}:
        raise Unreadable(f"{', '.join(start.names)} must be given, and is no state")
    run = runner(module, how, start, sizes)
    output, final = run(x)
    if depends is None:
        depends = dependency(lambda x: run(x)[0], x)
    if how.get("input") == FLAT and not depends.memory:
        raise Unreadable("steps and rows in one axis are rows alone")
    if how.get("ids") and not (depends.memory or depends.own):
        raise Unreadable("the vectors that ids stand for change nothing")
    if how.get("step_axis") is not None and depends.in_order:
        raise Unreadable("rows change with earlier ones, so that they may be the steps of one sequence")
    carries, goes_on, pair = 0.0, False, how["order"] is not None
    if how["given"] and how["states"] is None:
        carries = taken(run, x, output, sizes)
    elif how["given"]:
        carries = carries_on(run, x, output)
        goes_on = carries == 1
        if 0 < carries < 1 and not takes_one_more_row(run, x):
            raise Unreadable(f"it takes a state of {rows_tried()} rows alone")
        if goes_on and len(how["given"]) > 1:  # several arguments: welcome where each is called a state, or must be given
            carries += 0.5 if {name for name, _ in how["given"]} <= named_or_needed(module, how) else -0.5
        if not all(name is None or is_state_word(name) for name, _ in how["given"]):  # it may be no state at all
            if not goes_on and another_is_called_so(module, how):
                raise Unreadable("what carries nothing on is no state where another argument is called one")
            carries = carries if goes_on else min(carries, 0.1)
            doubtful = carries == 0.1 and not may_be_a_state(how, output, final, sizes) and changes_nothing(run, x, output)
            if doubtful and not {name for name, _ in how["given"]} <= named_or_needed(module, how):
                raise Unreadable("what may be left out, and changes nothing, is no state")
    elif how["states"] is not None:
        carries = 0.0 if how["states"] == [how["output"]] else 0.2 if may_be_a_state(how, output, final, sizes) else -0.1
    if pair and isinstance(final, tuple):
        if not goes_on and how["given"]:  # what comes back is wrong, so look at what goes in
            carries += 0.3 * takes_as_h_and_c(run, x, final)
        ends = output[-1, :, : sizes.hidden]
        same = final[0].shape[-1] == ends.shape[-1] and torch.allclose(final[0][-sizes.directions], ends)
        carries += 0.2 if same else 0.05 * (how["order"] == sorted(how["order"]))
        if same and sizes.directions == 2:  # the cell of one direction may stand where the other's h is looked for
            back = output[0, :, sizes.hidden :]
            carries += 0.1 * (final[0][-1].shape == back.shape and torch.allclose(final[0][-1], back))
    parts = sum(map(parts_in, how["tensors"]))
    seen = Seen({**how, "others": {}}, depends, features, parts, pair, carries, sizes.directions, bool(start.names))
    return replace(seen, ignores=ignores_a_part(run, x, how))
