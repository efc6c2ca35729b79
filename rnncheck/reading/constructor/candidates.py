"""The ways in which a constructor may take its sizes and options: by names, by position, and in a configuration object."""

import dataclasses
import inspect
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import chain
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from rnncheck.core.config import Config
from rnncheck.reading.adapter.given_beside import NODES
from rnncheck.reading.calls.experiment import HIDDEN as STATE
from rnncheck.reading.calls.experiment import INPUT as WIDTH
from rnncheck.reading.constructor.always_on import always_on
from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.asked import Asked, asked_for, of_keywords
from rnncheck.reading.constructor.filled import filled
from rnncheck.reading.constructor.guessed_values import value_for
from rnncheck.reading.constructor.lists import listed, of_lists
from rnncheck.reading.constructor.size_words import (
    BOTH,
    BUNDLES,
    ENTRIES,
    GRAPHS,
    MORE_HIDDEN,
    MORE_INPUT,
    OPTIONS,
    RESULT,
    RETURNS,
    TABLES,
    TOKENS,
    UNSAID,
    counts,
    counts_tokens,
    is_part,
    says_dropout,
    says_kind,
    says_layers,
    size_of,
)  # fmt: skip
from rnncheck.reading.signature import HIDDEN, INPUT, parameters_of


def candidates(target: Any, input: str | None = None, hidden: str | None = None) -> Iterator[Arguments]:
    """Return the ways in which this class or factory may take its sizes, the likeliest first.

    input, hidden: the names of the arguments for the two sizes, where they are known
    """
    try:
        known = parameters_of(target)
    except (TypeError, ValueError):
        known = []
    parameters = [p for p in known if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    names = [p.name for p in parameters]
    options = {word: own for word, others in OPTIONS.items() for own in (word, *others) if own in names}
    tensors = [p.name for p in parameters if p.name == options.get("bias") and p.default is None]  # the bias itself
    options = {word: own for word, own in options.items() if own not in tensors}
    layers = [p.name for p in parameters if says_layers(p)] if "num_layers" not in options else []
    options |= {"num_layers": layers[0]} if len(layers) == 1 else {}
    dropped = [p.name for p in parameters if says_dropout(p)] if "dropout" not in options else []
    options |= {"dropout": dropped[0]} if len(dropped) == 1 and "num_layers" in options else {}
    needed = [p.name for p in parameters if p.default is p.empty]
    own_dropout = "num_layers" not in options and options.get("dropout") in needed
    drops = {options["dropout"]: 0.5} if own_dropout else {}
    options = {word: own for word, own in options.items() if own not in drops}
    required = [p for p in parameters if p.default is p.empty and p.name not in (*options.values(), *drops)]
    if input is not None or hidden is not None:
        other = [p.name for p in required if p.name not in (input, hidden, *RESULT) and not counts_tokens(p.name)][:1]
        yield from filled(required, (input,) if input else tuple(other), (hidden,) if hidden else tuple(other), options)
        return
    returns = drops | {p.name: True for p in parameters if p.name in RETURNS and p.default is False}
    found: list[Arguments] = []
    for one in chain(_candidates(target, parameters, required, options), _with_a_class(target, parameters, required, options)):
        one = dataclasses.replace(one, others={**returns, **one.others}) if returns else one
        if one not in found:
            found.append(one)
            yield from always_on([one], parameters, options) if one.head is not None else ()  # as it is by default
            yield one
    yield from always_on(found, parameters, options)
    yield from _with_halves(parameters, required, options)
    yield from _of_equal_sizes(parameters, required, options)
    if len(parameters) < len(known) or not known:
        yield from of_keywords(target) if not required else ()
        yield Arguments()


def _candidates(target: Any, parameters: list[Any], required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    yield from listed(required)
    yield from _by_name(parameters, required, options)
    yield from _by_parts(parameters, required, options)
    yield from of_lists(required, options)
    yield from _of_the_input_alone(parameters, required, options)
    yield from _by_order(parameters, required, options)
    yield from _of_a_vocabulary(parameters, required, options)
    yield from _beside_a_bundle(target, parameters, required, options)
    yield from _in_a_bundle(target, parameters, required)
    yield from _held_otherwise(parameters, required, options)


def _by_name(parameters: list[Any], required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    names = [p.name for p in parameters]
    inputs = [name for name in (*INPUT, *MORE_INPUT) if name in names]
    hidden = [name for name in (*HIDDEN, *MORE_HIDDEN) if name in names and name not in inputs[:1]]
    hidden += [name for name in BOTH if name in names and inputs and name not in (*inputs[:1], *hidden)]
    sizes = [p.name for p in required if p.annotation in UNSAID and p.name not in RESULT and not counts(p.name)]
    for one in inputs[:1]:
        for other in hidden[:2]:
            yield from filled(required, (one,), (other,), options)
    others = [p.name for p in required if size_of(p.name) == "hidden"]
    for name in (name for name in RESULT if name in names and inputs and not hidden and not others):
        yield from filled(required, (inputs[0],), (name,), options)
    for name in (*BOTH, *(hidden[:1] if not sizes else ())):
        if name in names and not (inputs and hidden) and len(sizes) <= 1:
            yield from filled(required, (), (name,), options)


def _by_parts(parameters: list[Any], required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    """Sizes whose names have a part that speaks of the input or the state; all that speak of the state are one size."""
    numbers = [p for p in parameters if p.name not in options.values() and (type(p.default) is int or p.default is p.empty)]
    numbers = [p for p in numbers if not (says_kind(p.name) and p.annotation is p.empty)]
    sizes = {p.name: size_of(p.name) for p in numbers if p.annotation in UNSAID}
    inputs, hidden = ([name for name, what in sizes.items() if what == kind] for kind in ("input", "hidden"))
    if hidden:
        for one in sorted(inputs, key=lambda name: name not in INPUT):
            yield from filled(required, (one,), tuple(hidden), options)


def _of_a_vocabulary(parameters: list[Any], required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    """The number of tokens as the size of one-hot vectors; and what is called an input size as a number of tokens."""
    tokens = [p.name for p in required if counts_tokens(p.name)]
    inputs = [p.name for p in required if p.name in INPUT]
    hidden = [p.name for p in parameters if p.name in (*HIDDEN, *MORE_HIDDEN)] or [p.name for p in required if p.name not in tokens]
    for one in hidden[:1]:
        for name in tokens[:1]:
            yield from filled(required, (name,), (one,), options)
        for name in inputs[:1]:
            for found in filled([p for p in required if p.name != name], (), (one,), options):
                yield dataclasses.replace(found, others={**found.others, name: TOKENS})


def _with_halves(parameters: list[Any], required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    """The same names, for a size that both directions share."""
    for one in _by_name(parameters, required, options):
        if one.input and one.hidden:
            yield dataclasses.replace(one, halves="always")


def _of_equal_sizes(parameters: list[Any], required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    """The same names, where both sizes have to be the same."""
    for one in chain(_by_name(parameters, required, options), _by_parts(parameters, required, options)):
        if one.input and one.hidden:
            yield dataclasses.replace(one, input=(), hidden=(*one.input, *one.hidden))


def _beside_a_bundle(target: Any, parameters: list[Any], required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    """The input size, both sizes, or a number of tokens, beside one argument that holds all else under any name."""
    bundles = [p for p in required if p.name in BUNDLES and p.annotation in (*UNSAID[:1], dict)]
    if len(bundles) != 1 or len(required) == 1:
        return
    rest, inside = [p for p in required if p is not bundles[0]], frozenset(("input", "hidden", "kind", "answers"))
    alone = [Arguments((p.name,), ()) for p in rest[:1] if len(rest) == 1 and size_of(p.name) == "input"]
    alone += [Arguments((), (), others={p.name: TOKENS}) for p in rest[:1] if len(rest) == 1 and counts_tokens(p.name)]
    beside = chain(*(find([p for p in parameters if p is not bundles[0]], rest, options) for find in (_by_name, _by_parts)))
    for one in (*alone, *(one for one in beside if one.input)):
        _, named = one.of(Config("RNN_TANH", WIDTH, STATE))
        for more in asked_for(lambda asked, named=named: target(**named, **{bundles[0].name: asked})):  # type: ignore[misc]
            sizes, others = ((*one.input, "input"), (*one.hidden, "hidden")), {**one.others, **more}
            yield Arguments(*sizes, one.options, others, Asked, within=bundles[0].name, inside=inside)


def _of_the_input_alone(parameters: list[Any], required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    """One size that is the input's, where no name is one of the state: both are as large."""
    sizes = [p.name for p in parameters if p.name not in options.values() and p.annotation in UNSAID]
    kinds = {name: size_of(name) for name in sizes}
    inputs = [name for name, kind in kinds.items() if kind == "input"]
    if len(inputs) == 1 and "hidden" not in kinds.values() and inputs[0] not in [p.name for p in required]:
        yield from filled(required, (), (inputs[0],), options)


def _by_order(parameters: list[Any], required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    sizes = [p.name for p in required if p.annotation in UNSAID and p.name not in RESULT[:5] and not counts(p.name)]
    if len(sizes) >= 2:
        called_so = tuple(name for name in sizes[2:] if name in (*HIDDEN, *MORE_HIDDEN))
        yield from filled(required, (sizes[0],), (sizes[1], *called_so), options)
        yield from filled(required, (sizes[1],), (sizes[0], *called_so), options)
    if len(sizes) == 1:
        for other in [p.name for p in parameters if p.name in (*HIDDEN, *MORE_HIDDEN) and p.name != sizes[0]][:1]:
            yield from filled(required, (sizes[0],), (other,), options)
        yield from filled(required, (), (sizes[0],), options)
    numbers = [p.name for p in parameters if type(p.default) is int or p.annotation in (int, "int")]
    if len(sizes) < 2 <= len(numbers):
        yield from filled(required, (numbers[0],), (numbers[1],), options)


def _in_a_bundle(target: Any, parameters: list[Any], required: list[Any]) -> Iterator[Arguments]:
    """One argument that holds them all, as its dataclass says, or with every usual name as an attribute."""
    typed = [p for p in parameters if isinstance(p.annotation, type) and _may_hold_options(p.annotation)]
    for p in typed[:1]:
        yield from _of_its_type(p, [other for other in required if other is not p])
    if not typed and len(required) == 1 and required[0].annotation in UNTYPED:
        for more in asked_for(target):
            yield Arguments(("input",), ("hidden",), {}, more, Asked)
        for more in asked_for(target, square=True):
            yield Arguments((), ("hidden",), {}, more, Asked)


def _of_its_type(bundle: Any, beside: list[Any]) -> Iterator[Arguments]:
    """A configuration object of a known type, and what else must be given."""
    kinds = {p.name: size_of(p.name) for p in beside if p.annotation in UNSAID}
    sizes = {kind: tuple(name for name, found in kinds.items() if found == kind) for kind in ("input", "hidden")}
    others = {p.name: value_for(p) for p in beside if kinds.get(p.name) not in sizes}
    known = parameters_of(bundle.annotation)
    options = {word: own for word, names in OPTIONS.items() for own in (word, *names) if own in [p.name for p in known]}
    states = [p.name for p in known if size_of(p.name) == "hidden" and p.name not in options.values()]
    alone = [Arguments((), (name,), options, {p.name: value_for(p) for p in known if p.default is p.empty and p.name != name})
             for name in states[:1]] if sizes["input"] else []  # fmt: skip
    for one in (*alone, *candidates(bundle.annotation)):
        inside = frozenset(map(str, (*one.input, *one.hidden, *one.options.values(), *one.others)))
        input, hidden, more = (*sizes["input"], *one.input), (*sizes["hidden"], *one.hidden), {**one.others, **others}
        if one.bundle is None and all(isinstance(place, str) for place in (*input, *hidden)):
            yield dataclasses.replace(
                one, input=input, hidden=hidden, others=more, bundle=bundle.annotation, within=bundle.name, inside=inside
            )


TORCHS = (nn.GRUCell, nn.LSTMCell, nn.GRU, nn.LSTM)
"""What is given for a module that may be any."""
MOST_KINDS = 3
"""Classes of the same file that are tried."""
UNTYPED = (inspect.Parameter.empty, SimpleNamespace, Namespace, dict, Any, dict[str, Any], Mapping[str, Any])
"""Annotations of a configuration object that say nothing of what is in it."""


def _held_otherwise(parameters: list[Any], required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    """A vocabulary, a table of vectors, or a graph in place of its size, and a shape in place of the last axis's."""
    for p in required:
        rest = [other for other in required if other is not p]
        hidden = [other.name for other in (*rest, *parameters) if size_of(other.name) == "hidden" and other.name != p.name]
        parts = set(p.name.lower().split("_"))
        if "shape" in parts and size_of(p.name) == "input":
            for one in hidden[:1]:
                for found in filled(rest, (p.name,), (one,), options):
                    yield dataclasses.replace(found, holds={p.name: "shape"})
        if parts & GRAPHS:
            nodes = [other.name for other in rest if size_of(other.name) == "input" or "nodes" in other.name]
            for one in [name for name in hidden if name not in nodes][:1]:
                for found in filled(rest, (p.name, *nodes), (one,), options):
                    yield dataclasses.replace(found, holds={p.name: "graph"})
            for found in (*_by_name(rest, rest, options), *_by_parts(rest, rest, options)):
                yield dataclasses.replace(found, others={**found.others, p.name: len(NODES)}, holds={p.name: "graph"})
        if parts & ENTRIES:
            for one in hidden[:1]:
                for found in filled(rest, (p.name,), (one,), options):
                    yield dataclasses.replace(found, holds={p.name: "range"})
            for found in (*_by_name(rest, rest, options), *_by_parts(rest, rest, options)):
                yield dataclasses.replace(found, others={**found.others, p.name: range(TOKENS)})
        if parts & TABLES:
            also = [other.name for other in rest if size_of(other.name) == "input"]  # it may be asked for by itself as well
            for one in hidden[:1]:
                for found in filled(rest, (p.name, *also), (one,), options):
                    yield dataclasses.replace(found, holds={p.name: "table"})
                    entries = {name: range(TOKENS) for name in found.others if set(name.lower().split("_")) & ENTRIES}
                    if entries:
                        yield dataclasses.replace(found, others={**found.others, **entries}, holds={p.name: "table"})


def _with_a_class(target: Any, parameters: list[Any], required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    """One argument that is a module, or the class of one: of the same file, or torch's."""
    module = sys.modules.get(getattr(target, "__module__", None) or "")
    own = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, nn.Module)] if module else []
    kinds = [one for one in own if one is not target and getattr(one, "__module__", "") == target.__module__]
    kinds = sorted(kinds, key=lambda one: "cell" not in one.__name__.lower())[:MOST_KINDS]
    taken = [p for p in required if is_part(p.name) and (p.annotation in UNSAID[:1] or not isinstance(p.annotation, type)
             or issubclass(p.annotation, nn.Module))]  # fmt: skip
    for p in taken[:1]:
        rest = [other for other in required if other is not p]
        for kind in (*kinds, *TORCHS):
            hidden = tuple(other.name for other in rest if size_of(other.name) == "hidden")
            inputs = tuple(other.name for other in rest if size_of(other.name) == "input")
            for one in filled(rest, (*inputs, p.name), (*hidden, p.name), options):
                yield dataclasses.replace(one, holds={p.name: kind})
            others = [other for other in parameters if other is not p]
            for one in _candidates(target, others, rest, options) if len(rest) > 1 else ():
                yield dataclasses.replace(one, others={**one.others, p.name: kind})


def _may_hold_options(kind: type) -> bool:
    """Whether this is a class of somebody's own, and not of modules or tensors."""
    ours = kind.__module__ not in ("builtins", "typing", "inspect", "types", "argparse", "torch", "numpy", "collections.abc")
    return dataclasses.is_dataclass(kind) or (ours and not issubclass(kind, nn.Module | torch.Tensor | Enum))
