"""What a user says of how a layer is read: words, checked, that overrule what experiments find."""

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from rnncheck.core.plain_text import quoted
from rnncheck.errors import UsageError
from rnncheck.reading.adapter.adapted import CHANNELS_FIRST, FLAT, ORDERS

Said = Mapping[str, Any]
NOTHING: Said = MappingProxyType({})
"""What is said where nothing is."""
Wanted = tuple[Callable[[Any], bool], str]


def _one_of(*words: str | bool) -> Wanted:
    return (lambda value: value in words), "one of " + ", ".join(w if isinstance(w, str) else str(w).lower() for w in words)


def _is_path(value: Any) -> bool:
    return isinstance(value, list) and all(type(step) in (int, str) for step in value)


FLAG: Wanted = (lambda value: isinstance(value, bool), "true or false")
NAME: Wanted = (lambda value: isinstance(value, str) and value.isidentifier(), "the name of an argument")
PATH: Wanted = (_is_path, 'a path into the result, such as [0] or ["outputs"]; [] is the result itself')
LIST: Wanted = (lambda value: isinstance(value, list), "a list as rnncheck read prints it")
WORDS: Mapping[str, tuple[Wanted, str]] = {
    "kind": (_one_of("layer", "cell"), "a layer, or a cell that is called once a step"),
    "input_size": (NAME, "the constructor's argument for the input size"),
    "hidden_size": (NAME, "the constructor's argument for the hidden size"),
    "input": (_one_of("sequence", *CHANNELS_FIRST, FLAT, "numbers", *ORDERS, "step"), "what a call takes"),
    "batch_first": (FLAG, "whether the batch is the first axis"),
    "output": (PATH, "where the output is in the result"),
    "states": (LIST, "where each tensor of the state is in the result; [] where no state comes back"),
    "given": (LIST, "which arguments take the state: pairs of a name and the numbers of its tensors"),
    "tensors": (LIST, "the axes of each tensor of the state: batch, a size, or -k for k * hidden_size features"),
    "order": (LIST, "the places of h, then those of c, among the parts of the state"),
    "reverse": (FLAG, "whether it reads a sequence from its end"),
    "decoded": (FLAG, "whether each output is decoded from a summary of the whole sequence, as those of an autoencoder are"),
    "looks_back": (FLAG, "whether the output looks at earlier steps of its call beyond what the state carries"),
    "looks_ahead": (FLAG, "whether the output looks at later steps of its call, as a convolution or attention behind it does"),
    "input_name": (NAME, "the keyword of the input, where it is not the first argument of a call"),
    "beside": (LIST, "further arguments that must be given: each a name, a shape, a dtype, and the number that fills it"),
    "lengths": (LIST, "the argument for lengths or a mask, its form, and whether it must be given"),
    "reset": (LIST, "the method that makes it forget, and whether that takes the batch size"),
    "ids": (
        FLAG,
        "whether it takes token ids: it is given an id for each vector of the input, and finds that one",
    ),
    "images": (_one_of(False, True, "row"), "whether each feature is a channel of an image, of two axes of pixels or of a row"),
    "nodes": (FLAG, "whether each feature is given at each node of a graph, so that an axis of nodes is in front of the features"),
    "eval": (FLAG, "whether it is judged in eval() alone, since it is random in training"),
}
"""Each word with its values and its meaning; docs/layers.md has the same table."""
OF_A_CALL = ("lengths", "reset", "ids", "input_name", "beside", "images", "nodes")
OF_A_RESULT = ("reverse",)
OF_A_STATE = ("states", "given", "tensors", "order")


def checked(said: Any, where: str) -> Said:
    """Return what is said; raises UsageError where a word or its value cannot be meant.

    >>> checked({"batch_first": True}, "read")["batch_first"]
    True
    """
    if not isinstance(said, Mapping):
        raise UsageError(f"{where} = {quoted(said)}, but should be a table of words, such as {{batch_first = true}}")
    for word, value in said.items():
        if word not in WORDS:
            close = difflib.get_close_matches(str(word)[:80], WORDS, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(WORDS)}"
            raise UsageError(f"{where}: unknown word {quoted(word)}; {hint}")
        (good, words), _ = WORDS[word]
        if not good(plain(value)):
            raise UsageError(f"{where}: {word} = {quoted(value)}, but should be {words}")
    return {word: plain(value) for word, value in said.items()}


def from_words(pairs: Iterable[str]) -> Said:
    """Return what ``key=value`` pairs say, a value being TOML, or a word without quotes.

    >>> from_words(["batch_first=true", "input=channels first"])
    {'batch_first': True, 'input': 'channels first'}
    """
    said: dict[str, Any] = {}
    for pair in pairs:
        word, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--read {quoted(pair)}, but should be a word and a value, such as batch_first=true")
        said[word.strip()] = _value(value.strip())
    return checked(said, "--read")


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def plain(value: Any) -> Any:
    """Return the value with lists for tuples, as TOML has them."""
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def asked(said: Said, words: Iterable[str]) -> dict[str, Any]:
    """Return what is said of these words, with tuples for lists, as a reading has them."""
    return {word: tuple(said[word]) if isinstance(said[word], list) else said[word] for word in words if word in said}


def agrees(found: Mapping[str, Any], said: Said, words: Iterable[str]) -> bool:
    """Return whether what was found is what is said of these words."""
    return all(plain(found[word] if found[word] is not None else []) == said[word] for word in words if word in said)
