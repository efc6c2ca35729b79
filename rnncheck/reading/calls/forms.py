"""In which ways a module may be called: as a layer or a cell, time or rows first, with ids or vectors, and what is given beside."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from rnncheck.reading.adapter.adapted import CHANNELS_FIRST, FLAT, ORDERS
from rnncheck.reading.calls.beside import NUMBERS_GIVEN, beside, other_sequences
from rnncheck.reading.calls.call_arguments import asks, input_names, later_inputs, lengths, reset, state_parameters
from rnncheck.reading.calls.form_of_lengths import other_forms
from rnncheck.reading.calls.guessed_lengths import guessed_lengths, is_guessed
from rnncheck.reading.calls.other_methods import knows_ids, looks_up, makes_one_hot, sees, uses_weights
from rnncheck.reading.said import OF_A_CALL, Said, agrees, asked


def forms(module: Any, cell_first: bool, said: Said, input: int) -> Iterator[dict[str, Any]]:
    """Return the ways in which the input may be given, each once; first as token ids, where the module takes such."""
    found: set[str] = set()
    for form in _forms(module, cell_first, said, input):
        if repr(form) not in found:  # what is said of a call may make several forms one
            found.add(repr(form))
            yield form


def _forms(module: Any, cell_first: bool, said: Said, input: int) -> Iterator[dict[str, Any]]:
    flags = asks(module)
    beside_numbers = (False,) if looks_up(module) and later_inputs(module) else ()  # another argument may be looked up
    for ids in (*beside_numbers, True) if looks_up(module) else (True, False) if makes_one_hot(module) else (False,):
        ways = partial(_forms_of, module, cell_first, said, ids, numbers=input == 1)
        yield from ({**form, "asks": flags} for form in ways()) if flags else ()
        yield from ways()
    if looks_up(module) and (uses_weights(module) or knows_ids(module)):
        yield from ({**form, "tied": True} for form in _forms_of(module, cell_first, said, ids=True, numbers=False))
    yield from _of_decoders(module, said)
    yield from _forms_of(module, cell_first, said, ids=False, numbers=False, nodes=True)


def _of_decoders(module: Any, said: Said) -> Iterator[dict[str, Any]]:
    """Each later argument as the input of a decoder; the encoder's, in front of it, has another number of steps."""
    ids = {"ids": True, "tied": True} if looks_up(module) else {}
    for name in later_inputs(module):
        for first in (False, True):
            form = {"lengths": None, "reset": None, "batch_first": first, "input_name": name, **ids}
            if agrees({"input": "sequence", **form}, said, ("input", "batch_first", "input_name")):
                yield from ({**form, "beside": more, **asked(said, OF_A_CALL)} for more in other_sequences(module, form))


def _forms_of(module: Any, cell_first: bool, said: Said, ids: bool, numbers: bool, nodes: bool = False) -> Iterator[dict[str, Any]]:
    said_lengths = lengths(module)
    base: dict[str, Any] = {"lengths": said_lengths, "reset": reset(module)}
    base |= ({"ids": True} if ids else {}) | ({"nodes": True} if nodes else {})
    major = getattr(module, "batch_first", None) is True
    sequences: list[dict[str, Any]] = [{"batch_first": first} for first in ((True, False) if major else (False, True))]
    turned: list[dict[str, Any]] = [{"input": form, "batch_first": True} for form in CHANNELS_FIRST]
    turned += [{"input": order, "batch_first": False} for order in ORDERS]
    turned += [{"input": FLAT, **form} for form in sequences] if _needs_a_state(module, base) else []
    numbered = [{"input": "numbers", **form} for form in sequences] if numbers and not ids else []
    layers = [*sequences, *numbered, *([] if ids or nodes else turned)]
    cell: list[dict[str, Any]] = [{"input": "step"}]
    forms = [*cell, *layers] if cell_first else [*layers, *cell]
    forms += [{"input": "step", "step_axis": axis} for axis in (() if nodes else (0, 1))]
    forms += [{**form, "images": pixels} for pixels in (() if ids or nodes else sees(module)) for form in (*sequences, *cell)]
    named = [{**form, "input_name": name} for form in forms for name in input_names(module)]
    usual = {"input": "sequence", "batch_first": False}
    named = [{**base, **form} for form in named if agrees({**usual, **form}, said, ("input", "batch_first"))]
    said_call, must = asked(said, OF_A_CALL), said_lengths is not None and said_lengths[2]
    for first in (True, False):
        for form in named:
            if first:
                yield {**form, **said_call}
                others = other_forms(*said_lengths[:2]) if said_lengths is not None and must else ()
                yield from ({**form, "lengths": (said_lengths[0], other, True), **said_call} for other in others)  # type: ignore[index]
            guessed = guessed_lengths(module, form) if first and "input" not in form else ()
            for lengthy in (said_lengths, *guessed, None) if must else (*guessed, said_lengths):
                known = {**form, "lengths": lengthy}
                if lengthy is not None and is_guessed(known):
                    yield {**known, **said_call}
                for more in beside(module, known, NUMBERS_GIVEN[:1] if first else NUMBERS_GIVEN[1:]):
                    yield {**known, "beside": more, **said_call}


def _needs_a_state(module: Any, how: Mapping[str, Any]) -> bool:
    """Whether an argument that may be a state must be given: it alone says how many rows there are in an axis of steps too."""
    return any(p.default is p.empty for p in state_parameters(module, how))
