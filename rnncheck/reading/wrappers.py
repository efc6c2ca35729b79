"""The code of a wrapper for a layer that is not read: tried here, and shown only where the layer is read behind it."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnncheck.core.config import Config
from rnncheck.core.kinds import by_name
from rnncheck.reading.both_ways import is_summed
from rnncheck.reading.calls.call_arguments import is_state_word
from rnncheck.reading.calls.experiment import HIDDEN, INPUT, Sizes, Unreadable, quiet
from rnncheck.reading.calls.starts import makers
from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.asked import Asked
from rnncheck.reading.constructor.candidates import candidates
from rnncheck.reading.constructor.guessed_values import value_for
from rnncheck.reading.constructor.size_words import MORE_HIDDEN, MORE_INPUT
from rnncheck.reading.read import read_module
from rnncheck.reading.seen import GOOD, Seen
from rnncheck.reading.signature import HIDDEN as HIDDEN_WORDS
from rnncheck.reading.signature import INPUT as INPUT_WORDS
from rnncheck.reading.wrapper_calls import FORWARDS, step_by_step

SIZES, WORDS = Config("RNN_TANH", 10**6 + 3, 10**6 + 1), {10**6 + 3: "input_size", 10**6 + 1: "hidden_size"}
"""Sizes that stand for themselves in the text of code."""
SMALL = Sizes(INPUT, HIDDEN)
MOST_BUILT = 2
"""Ways to build the layer that are tried."""
KINDS = (*sorted(by_name()), *map(str.lower, sorted(by_name())))
"""What an attribute that names a kind of cell may be."""
HEAD = "import torch\nfrom torch import nn"
PACKING = "from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence"
SEEN = {
    "torch": torch, "nn": nn, "SimpleNamespace": SimpleNamespace, "pack_padded_sequence": pack_padded_sequence,
    "pad_packed_sequence": pad_packed_sequence,
}  # fmt: skip
SPACES = "from types import SimpleNamespace"
CLASS = '''
class Wrapped(nn.Module):
    """{name} behind torch's call: input (time, batch, input_size), a state (1, batch, hidden_size) or a pair of such."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
{more}        self.layer = {built}

    def forward(self, input{hx}):
{forward}
'''


def wrapper(target: Any, lines: str | None, expression: str | None) -> str | None:
    """Return Python code of a module in which this class or factory is read; None where none is found.

    lines, expression: how a script gets at the target; None where it cannot
    """
    name, second = _name(target, expression), None
    for built in _built(target, name):
        for forward in _forwards(target):
            code = _code(name, built, forward)
            seen = _seen(code, name, target)
            if seen is not None and seen.how["last"] and "repeated" in forward:
                continue  # a step for each of several would come back in each
            if seen is not None and (seen.carries >= 1 or "hx" not in code):
                return _whole(code, name, lines, expression)
            second = second or (code if seen is not None else None)  # its state does not carry on: that may be its mistake
    return None if second is None else _whole(second, name, lines, expression)


def _code(name: str, built: str, forward: str) -> str:
    """The wrapper's class; without an initial state where the body takes none."""
    more = "        self.hidden_size = hidden_size\n" if "self.hidden_size" in forward else ""
    hx = ", hx=None" if "hx" in forward else ""
    body = textwrap.indent(textwrap.dedent(forward).strip(), " " * 8)
    return CLASS.format(name=name, built=built, more=more, hx=hx, forward=body)


def _name(target: Any, expression: str | None) -> str:
    """What the code calls the target: not as the wrapper itself is called."""
    name = str(expression or getattr(target, "__name__", "Layer")).rpartition(".")[2]
    return "Layer" if name == "Wrapped" else name


def _whole(code: str, name: str, lines: str | None, expression: str | None) -> str:
    """The code with its imports."""
    imports = [*([SPACES, ""] if "SimpleNamespace(" in code else []), HEAD, *([PACKING] if "pack_padded" in code else [])]
    named = f"# in the file of {name}, or with an import of it" if lines is None else lines
    alias = [f"{name} = {expression}"] if expression and expression != name else []
    return "\n".join([*imports, "", named, *alias, "", code]).strip()


def _seen(code: str, name: str, target: Any) -> Seen | None:
    """How the wrapper is read, if it is."""
    names = {**SEEN, name: target, "__name__": "wrapped"}
    exec(code, names)
    with quiet(grad=True):
        try:
            module = names["Wrapped"](SMALL.input, SMALL.hidden).double().eval()
            seen = read_module(module, SMALL)
            if seen.how.get("input", "sequence") != "sequence":  # it should take whole sequences, as it says
                return None
            config, apart = Config("RNN_TANH", SMALL.input, SMALL.hidden), seen.depends.rows == 1
            return seen if seen.depends.score >= GOOD or (apart and is_summed(module, seen, config, None)) else None
        except Unreadable:
            return None


def _built(target: Any, name: str) -> Iterator[str]:
    """Calls of the constructor that work, as text with input_size and hidden_size in it."""
    found: list[str] = []
    for arguments in candidates(target):
        texts = _with_attributes(target, name) if arguments.bundle is Asked else [_call(name, arguments)]
        for text in texts:
            if text is not None and text not in found and _builds(text, name, target):
                found.append(text)
                yield text
        if len(found) >= MOST_BUILT:
            return


def _builds(text: str, name: str, target: Any) -> bool:
    try:
        with quiet():
            eval(text, {**SEEN, name: target, "input_size": SMALL.input, "hidden_size": SMALL.hidden})
    except Exception:  # it is not built like this
        return False
    return True


def _call(name: str, arguments: Arguments) -> str | None:
    """A call of the constructor; None where an argument cannot be written."""
    if arguments.bundle is not None or any(callable(value) for value in arguments.others.values()):
        return None
    positions, named = arguments.of(SIZES)
    given = [_text(value) for value in positions]
    return f"{name}({', '.join([*given, *(f'{word}={_text(value)}' for word, value in named.items())])})"


def _text(value: Any) -> str:
    return WORDS[value] if type(value) is int and value in WORDS else repr(value)


def _with_attributes(target: Any, name: str) -> Iterator[str]:
    """Calls with one object that has the attributes which the constructor reads, by what their names ask for."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(target)))
    except (OSError, TypeError, SyntaxError):
        return
    needed = [p.name for p in inspect.signature(target).parameters.values() if p.default is p.empty]
    if len(needed) != 1:
        return
    read = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    attributes = list(dict.fromkeys(node.attr for node in read if node.value.id == needed[0]))  # type: ignore[attr-defined]
    for kind in KINDS:
        given = ", ".join(f"{attribute}={_attribute(attribute, kind)}" for attribute in attributes)
        yield f"{name}(SimpleNamespace({given}))"


def _attribute(name: str, kind: str) -> str:
    if name in (*INPUT_WORDS, *MORE_INPUT):
        return "input_size"
    if name in (*HIDDEN_WORDS, *MORE_HIDDEN):
        return "hidden_size"
    if any(word in name.lower() for word in ("type", "cell", "kind", "mode", "name")):
        return repr(kind)
    return repr(value_for(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)))


def _forwards(target: Any) -> Iterator[str]:
    """Bodies of forward, those with what this layer's own call asks for first."""
    needed = [p for p in _of_a_call(target)[1:] if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    named = [p.name for p in needed if is_state_word(p.name)]
    if len(needed) > len(named):
        for state in named or ["", *(p.name for p in needed)]:
            for rows in (1, 0):
                yield from _with_extras([p.name for p in needed], state, rows)
    yield from step_by_step(makers(target) if len(needed) == 1 else [])
    keys = _keys(target)
    if keys:
        others = "".join(f", {key!r}: input.new_zeros(input.shape[:2])" for key in keys[1:])
        yield f"return self.layer({{{keys[0]!r}: input{others}}})"
    yield from FORWARDS


def _keys(target: Any) -> list[str]:
    """What forward looks up in its first argument by name, where that is a dictionary."""
    first = next(iter(_of_a_call(target)), None)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(target.forward))) if first is not None else None
    except (OSError, TypeError, SyntaxError):
        return []
    if first is None or tree is None:
        return []
    read = [node for node in ast.walk(tree) if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)]
    keys = [n.slice.value for n in read if n.value.id == first.name and isinstance(n.slice, ast.Constant)]  # type: ignore[attr-defined]
    return list(dict.fromkeys(key for key in keys if isinstance(key, str)))


def _of_a_call(target: Any) -> list[inspect.Parameter]:
    """The parameters of forward, the input first; none where they are not known before it is built."""
    call = getattr(target, "forward", None) if isinstance(target, type) else None
    return [] if call is None else list(inspect.signature(call).parameters.values())[1:]


def _with_extras(needed: list[str], state: str, rows: int) -> Iterator[str]:
    """Calls with zeros, or ones, for each step and row wherever something else than the state must be given."""
    begin = f"h = input.new_zeros(input.shape[{rows}], self.hidden_size) if hx is None else hx[0]"
    for filled in ("new_zeros", "new_ones"):
        each = ["h" if name == state else f"input.{filled}(input.shape[:2])" for name in needed]
        call = f"self.layer(input, {', '.join(each)})"
        yield f"{begin}\noutput, h = {call}\nreturn output, h[None]" if state else f"return {call}"


def skeleton(target: Any, lines: str | None, expression: str | None) -> str:
    """Return the same code with what is not known left open, as ``...``."""
    name = _name(target, expression)
    called = ", ".join(str(p.replace(annotation=p.empty)) for p in _of_a_call(target)) or "..."
    built = next(_built(target, name), f"{name}(...)")
    forward = (
        f"# it is called as forward({called}); hx is the initial state, or None\n"
        "output, state = self.layer(...)\n"
        "return output, state  # output (time, batch, features), state (1, batch, hidden_size) or a pair of such"
    )
    return _whole(_code(name, built, forward), name, lines, expression)
