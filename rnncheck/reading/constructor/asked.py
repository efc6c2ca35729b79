"""A configuration object of no known type: what a constructor asks it for, and which answers it takes, by experiments."""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any

from rnncheck.reading.calls.experiment import HIDDEN as STATE
from rnncheck.reading.calls.experiment import INPUT as WIDTH
from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.guessed_values import FLAGS, value_for
from rnncheck.reading.constructor.size_words import (
    BOTH,
    KIND_VALUES,
    MORE_HIDDEN,
    MORE_INPUT,
    OPTIONS,
    RESULT,
    TOKENS,
    counts_tokens,
    says_kind,
    size_of,
)  # fmt: skip
from rnncheck.reading.signature import HIDDEN, INPUT

OTHERWISE = ("tanh", *KIND_VALUES, "relu", False, True, 0, 2, 3, 0.0, None, [1], (3, 3))
"""What is answered where the first answer is refused."""
MOST_REFUSED = 4
"""Answers that may be refused."""
MOST_NAMED = 16
"""Keywords that a constructor of any keywords may need."""


class Asked:
    """It answers each attribute, or key, by what its name asks for, and notes what it answered.

    input: None where it is as large as the state; answers: by name, where another one is given than the name suggests
    """

    def __init__(self, hidden: int, kind: str, input: int | None = None, answers: Mapping[str, Any] = MappingProxyType({})) -> None:
        self._sizes, self._kind, self._known = (input or hidden, hidden), kind, answers
        self._answers: dict[str, Any] = {}
        self._by_key: set[bool] = set()
        self._last: str | None = None

    def __deepcopy__(self, memo: Any) -> "Asked":
        return self  # what a copy of the layer asks for is noted as well

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._noted(name, False)

    def __getitem__(self, name: str) -> Any:
        return self._noted(name, True)

    def __contains__(self, name: str) -> bool:
        """Whether it has this size; any other option is left out where it may be."""
        return size_of(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict has it: what is no size keeps its default."""
        option = any(name in (word, *more) for word, more in OPTIONS.items())
        return self[name] if default is None or option or name in self or name in self._known else default

    def keys(self) -> "Asked":
        """What is asked whether a name is in it."""
        return self

    def _noted(self, name: str, by_key: bool) -> Any:
        self._by_key.add(by_key)
        self._last = name
        return self._answers.setdefault(name, self._known[name] if name in self._known else self._answer(name))

    def _answer(self, name: str) -> Any:
        if name in (*INPUT, *MORE_INPUT):
            return self._sizes[0]
        if name in (*HIDDEN, *MORE_HIDDEN, *RESULT, *BOTH):
            return self._sizes[1]
        if says_kind(name):
            return self._kind
        if counts_tokens(name) or name.lower().endswith("layers"):
            return TOKENS if counts_tokens(name) else 1
        if name in FLAGS or name.lower().startswith(("use_", "is_", "with_", "has_", "no_")):
            return name in ("bias", "use_bias")
        if size_of(name) is not None:
            return self._sizes[size_of(name) != "input"]
        return value_for(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY))

    def as_written(self, asked: Arguments) -> Arguments:
        """Return the same as a namespace, or a dict, of what was asked for; as it is, where one object is asked in both ways."""
        named = self.as_named()
        beside = [tuple(str(name) for name in places if asked.within is not None and name not in asked.inside)
                  for places in (asked.input, asked.hidden, asked.others)]  # fmt: skip
        inputs, states = (*beside[0], *named.input), (*beside[1], *named.hidden)
        taken = self._answers.keys() & {*beside[0], *beside[1], *beside[2]}
        if len(self._by_key) != 1 or not states or (asked.input and not inputs) or taken:
            return asked
        kind = dict if True in self._by_key else SimpleNamespace
        others = {**named.others, **{name: asked.others[name] for name in beside[2]}}
        options = {**asked.options, **named.options}
        return Arguments(inputs, states, options, others, kind, within=asked.within, inside=frozenset(self._answers))

    def as_named(self) -> Arguments:
        """Return what was asked for as keywords."""
        options = {word: own for word, others in OPTIONS.items() for own in (word, *others) if own in self._answers}
        left = {name: value for name, value in self._answers.items() if name not in options.values()}
        width, state = (tuple(name for name, value in left.items() if type(value) is int and value == n) for n in self._sizes)
        others = {name: value for name, value in left.items() if name not in (*width, *state)}
        return Arguments(() if width == state else width, state, options, others)


def asked_for(build: Callable[[Asked], Any], square: bool = False) -> Iterator[dict[str, Any]]:
    """Return what an object is made with, beside its sizes, that a constructor may take: by its kind, and with other answers.

    square: whether input and state are of one size
    """
    for kind in KIND_VALUES if _asks_for_a_kind(build, None if square else WIDTH) else KIND_VALUES[:1]:
        yield {"kind": kind}
    answers = _answers(build, None if square else WIDTH)
    if answers:
        yield {"kind": KIND_VALUES[0], "answers": answers}
    flags = _as_flags(build, None if square else WIDTH, answers or {})
    if flags:
        yield {"kind": KIND_VALUES[0], "answers": {**(answers or {}), **flags}}


def _as_flags(build: Callable[[Asked], Any], input: int | None, answers: Mapping[str, Any]) -> dict[str, bool]:
    """What is answered by 1 may be a flag, and is off, unless its name says that it is a number."""
    asked = Asked(STATE, KIND_VALUES[0], input, answers)
    with contextlib.suppress(Exception):  # what it asks for behind a refusal is not known
        build(asked)
    ones = [name for name, value in asked._answers.items() if type(value) is int and value == 1 and name not in answers]
    return {name: False for name in ones if not name.lower().endswith("layers")}


def _asks_for_a_kind(build: Callable[[Asked], Any], input: int | None) -> bool:
    """Whether a constructor asks which recurrence is inside, or raises before it could."""
    asked = Asked(STATE, KIND_VALUES[0], input)
    try:
        build(asked)
    except Exception:  # an answer is refused
        return True
    return any(map(says_kind, asked._answers))


def _answers(build: Callable[[Asked], Any], input: int | None) -> dict[str, Any] | None:
    """The answers that a constructor takes where it refuses those that names suggest: it refuses what it asks for last."""
    found: dict[str, Any] = {}
    for _ in range(MOST_REFUSED):
        refused = _refused(build, input, found)
        if refused is None or refused in found:
            return None if refused else found
        others = ({**found, refused: value} for value in OTHERWISE)
        found = next((one for one in others if _refused(build, input, one) != refused), {**found, refused: None})
    return None


def _refused(build: Callable[[Asked], Any], input: int | None, answers: Mapping[str, Any]) -> str | None:
    """What is asked for last by a constructor that raises; None where it does not."""
    asked = Asked(STATE, KIND_VALUES[0], input, answers)
    try:
        build(asked)
    except Exception:  # an answer is refused
        return asked._last or ""
    return None


def of_keywords(target: Callable[..., Any]) -> Iterator[Arguments]:
    """Return the keywords of a constructor that takes any: it names each one that it misses."""
    asked, named = Asked(STATE, KIND_VALUES[0], WIDTH), dict[str, Any]()
    for _ in range(MOST_NAMED):
        try:
            target(**named)
        except KeyError as error:
            (missing,) = error.args[:1] or (None,)
            if not isinstance(missing, str) or missing in named:
                return
            named[missing] = asked[missing]
        except Exception:  # it refuses what it is given
            return
        else:
            yield asked.as_named()
            return
