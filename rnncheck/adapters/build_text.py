"""The Python lines of a script that build a layer as it was read: they bind ``build``, to be called as torch's constructor."""

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from rnncheck.adapters.cells import Stepwise
from rnncheck.adapters.file_text import file_text
from rnncheck.adapters.fold import folded, used
from rnncheck.adapters.forms import has_options
from rnncheck.adapters.targets.locate import Located
from rnncheck.core.config import Config
from rnncheck.reading import Reading
from rnncheck.reading.adapter import adapted, arranged, given_beside, token_ids
from rnncheck.reading.build import OBSERVED, Maker, either_axes, how_for
from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.asked import Asked

SIZES, WORDS = Config("RNN_TANH", 10**6 + 3, 10**6 + 1), {
    10**6 + 3: "input_size", 10**6 + 1: "hidden_size", 2 * (10**6 + 1): "2 * hidden_size",
}  # fmt: skip
"""Sizes that stand for themselves in the text of a script."""
CALLED = ("forward", "train", "_apply", "begin", "wrapped")
"""Methods of an adapter that torch calls, and the deeds of a script."""
LAYERS = (1, 2, 3)
"""Numbers of layers that cases have."""


class NoText(Exception):
    """An argument cannot be written down."""


def class_text(target: Located, reading: Reading, given: tuple[tuple[Any, ...], Mapping[str, Any]], defaults: Mapping[str, Any],
               make: Maker, *, is_cell: bool) -> str | None:  # fmt: skip
    """Return the lines for a class or a factory; None where an argument cannot be written down.

    given: what it is given for SIZES; defaults: torch's options with their defaults; make: calls it for a configuration
    """
    arguments = reading.arguments
    own = {name: name for name in defaults} if arguments is None else {name: word for word, name in arguments.options.items()}
    form, formed = (["**form"], ["form={}"]) if has_options(target.object) else ([], [])
    try:
        called = f"{target.expression}({', '.join([_given(target, arguments, given, own), *form])})"
    except NoText:
        return None
    words = [own[name] for name in _names(arguments, given) if name in own]
    heads = ["input_size", "hidden_size", *(f"{word}={defaults[word]!r}" for word in words), *formed, "**options"]
    return _text(target, reading, ", ".join(heads), called, words, make, is_cell)


def object_text(target: Located, reading: Reading) -> str:
    """Return the lines for an object that exists already, of which each layer is a copy."""
    copied = f"copy.deepcopy({target.expression})"
    return "import copy\n" + _text(target, reading, "input_size, hidden_size, **options", copied, [], None, is_cell=False)


def _names(arguments: Arguments | None, given: tuple[tuple[Any, ...], Mapping[str, Any]]) -> list[str]:
    """The names of the constructor's arguments, or of those of its configuration object."""
    if arguments is not None and arguments.listed is not None:
        return [arguments.listed]
    in_a_bundle = arguments is not None and arguments.bundle is not None
    return list(dataclasses.replace(arguments, bundle=None).of(SIZES)[1] if arguments is not None and in_a_bundle else given[1])


def _given(target: Located, arguments: Arguments | None, given: tuple[tuple[Any, ...], Mapping[str, Any]],
           own: Mapping[str, str]) -> str:  # fmt: skip
    """The arguments of the constructor, as the body of ``build`` writes them."""
    if arguments is not None and arguments.listed is not None:
        return f"{arguments.listed}=[input_size, *[hidden_size] * num_layers]"
    positions, named = given
    if arguments is not None and arguments.bundle is not None:
        positions, named = dataclasses.replace(arguments, bundle=None).of(SIZES)
    texts = {name: own[name] if name in own else _held(target, arguments, name, value) for name, value in named.items()}
    if arguments is not None and arguments.bundle is not None:
        kept = arguments.inside if arguments.within is not None else texts.keys()
        whole = ", ".join(f"{name}={text}" for name, text in texts.items() if name in kept)
        texts = {name: text for name, text in texts.items() if name not in kept}
        texts[arguments.within or ""] = f"{_type(target, arguments.bundle)}({whole})"
    return ", ".join([*map(argument_text, positions), *(f"{name}={text}" if name else text for name, text in texts.items())])


def _held(target: Located, arguments: Arguments | None, name: str, value: Any) -> str:
    """An argument as the body of ``build`` writes it: its number, or what holds its size."""
    form = None if arguments is None else arguments.holds.get(name)
    if isinstance(form, type):
        return f"{_type(target, form)}(input_size, hidden_size)"
    return _type(target, value) if isinstance(value, type) else argument_text(value)


def _type(target: Located, kind: type) -> str:
    """The name of a type, as torch, Python or the module of the target has it."""
    if kind in (dict, SimpleNamespace):
        return {dict: "dict", SimpleNamespace: "types.SimpleNamespace"}[kind]
    if getattr(torch.nn, kind.__name__, None) is kind:
        return f"torch.nn.{kind.__name__}"
    module = sys.modules.get(getattr(target.object, "__module__", ""))
    if kind is Asked or getattr(module, kind.__name__, None) is not kind:
        raise NoText
    return f"sys.modules[{target.expression}.__module__].{kind.__name__}"


def argument_text(value: Any) -> str:
    """Return an argument of a constructor as Python; raises NoText where it cannot be written down."""
    if type(value) is int:
        return WORDS.get(value, repr(value))
    if isinstance(value, range):
        return f"range({argument_text(len(value))})"
    if type(value) is tuple and len(value) > 1:
        return f"({', '.join(map(argument_text, value))})"
    if type(value) is list:
        return f"[{', '.join(map(argument_text, value))}]"
    if isinstance(value, np.ndarray):
        return f"sum(numpy.eye({argument_text(len(value))}, k=k) for k in (-1, 0, 1))"
    if isinstance(value, torch.Tensor):
        return f"torch.zeros({', '.join(map(argument_text, value.shape))})"
    name = getattr(value, "__name__", "")
    if name and getattr(torch, name, None) is value:
        return f"torch.{name}"
    if value is None or isinstance(value, str | bool | float):
        return repr(value)
    raise NoText


def _text(target: Located, reading: Reading, heads: str, called: str, words: list[str], make: Maker | None,
          is_cell: bool) -> str:  # fmt: skip
    lines = target.lines or ""
    needed = [name for name in ("numpy", "sys", "types") if f"{name}." in called and f"import {name}\n" not in lines]
    head = [*(f"import {name}" for name in needed), lines]
    if not reading.adapts:
        stepwise = ["from typing import Any", "", "", inspect.getsource(Stepwise).rstrip()] if is_cell else []
        body = [f"    return {f'Stepwise({called})' if is_cell else called}"]
        return "\n".join([*head, *stepwise, "", "", f"def build({heads}):", *body, ""])
    others = dict(_otherwise(reading, words, make))
    varying = {*(OBSERVED if others else ()), *(["batch_first"] if either_axes(reading) else [])}
    how = {name: value for name, value in reading.called.items() if value != adapted.HOW[name] or name in {*varying, "reset"}}
    place = f"num_layers, {'bidirectional' if 'bidirectional' in words else False}"
    read = ["READ", *([f"OTHERWISE.get(({place}), {{}})"] if others else [])]
    if either_axes(reading):
        axes = "batch_first" if "batch_first" in words else "options.get('batch_first', False)"
        read.append(f"{{'batch_first': {axes}}}")
    kind = ("Adapted" if reading.arrangement is None else "Arranged") + ("WithLengths" if how.get("lengths") else "")
    more = "" if reading.arrangement is None else f"{reading.arrangement.pieces!r}, ['_l0'], "
    how_called = ", ".join(f"**{one}" for one in read)
    return "\n".join([
        *head, *_adapters(reading, kind, varying),
        f"READ = {how!r}", '"""How the layer is called."""',
        *([f"OTHERWISE = {others!r}", '"""What is otherwise for (layers, whether in two directions)."""'] if others else []),
        "", "", f"def build({heads}):", f"    return {kind}({called}, hidden_size, {more}**{{{how_called}}})", "",
    ])  # fmt: skip


def _adapters(reading: Reading, kind: str, varying: set[str]) -> list[str]:
    """The classes that stand between torch's call and the layer, without what this reading has no need of."""
    ids, mapped = reading.called["ids"], reading.arrangement is not None
    needed = [*([token_ids] if ids else []), given_beside, adapted, *([arranged] if mapped else [])]
    tree = ast.parse("\n\n\n".join(map(file_text, needed)).replace("{**HOW, **how}", "how"))
    known = {name: value for name, value in reading.called.items() if name not in varying}
    names: dict[str, Any] = {"ORDERS": adapted.ORDERS, "PIXELS": adapted.PIXELS, "NODES": given_beside.NODES}
    names |= {} if reading.called["kept"] else {"self.first": ()}
    called = [*CALLED, *(["forgets"] if reading.called["reset"] else [])]
    text = ast.unparse(used(folded(tree, known, "how", names), [kind], called))
    return [re.sub(r"\n+(?=class |def |@)", "\n\n\n", text), "", ""]


def _otherwise(reading: Reading, words: list[str], make: Maker | None) -> Iterator[tuple[tuple[int, bool], dict[str, Any]]]:
    """Yield for other numbers of layers and directions what differs in how the layer is called."""
    if make is None or "num_layers" not in words:
        return
    for layers, both in product(LAYERS, (False, True) if "bidirectional" in words else (False,)):
        small = dict(zip(("input_size", "hidden_size"), reading.sizes, strict=True))
        config = SIZES.but(mode="LSTM" if reading.pair else "RNN_TANH", num_layers=layers, **small)
        config = config.but(bidirectional=both or bool(reading.nature.get("bidirectional")))
        try:
            how = how_for(make(config, torch.float64, torch.device("cpu")), reading, config, make)
        except Exception:  # it is not built like this, so no case is of this kind
            continue
        other = {name: how[name] for name in OBSERVED if how[name] != reading.called[name]}
        if other:
            yield (layers, both), other
