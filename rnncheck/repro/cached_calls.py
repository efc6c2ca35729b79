"""A failure of a typed recurrence with a cache as its own calls: which cache each is given, and what is done to it in between."""

import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from rnncheck.adapters.typed import TypedBuild
from rnncheck.backend.torch_state import preserved
from rnncheck.catalog.tools import cache_calls
from rnncheck.core.axis_size import axis_size
from rnncheck.core.case import Case
from rnncheck.core.named import Named
from rnncheck.core.observation import Comparison
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.reading.typed.wrapper import Typed, at
from rnncheck.repro.calls import watch
from rnncheck.repro.events import frozen
from rnncheck.repro.literal import NoLiteral
from rnncheck.repro.places import worst_place
from rnncheck.running.random_rounding import rounds_at_random
from rnncheck.running.trial import Trial, seeded

WIDTH = 88
"""Characters of a line of a call."""
Text = Callable[[Any], str]


@dataclass
class Did:
    """One thing that was done: ``name = expression(arguments)``, or ``expression(arguments)`` where nothing comes back.

    begin: the step at which a call began, as far as its cache knew; result: what a call returned
    """

    name: str
    expression: str
    arguments: dict[str, Any]
    cache: str = ""
    begin: int = 0
    result: Any = None


class Written(str):
    """Python as it is written."""


@dataclass
class Log:
    """All that was done with one layer and its caches, in order; ``names`` and ``steps`` are of caches, by identity.

    linked: the name of a copy that is the cache itself, and the steps it should know: after one more call, the copy goes on
    """

    build: TypedBuild
    maker: str
    did: list[Did] = field(default_factory=list)
    caches: list[Any] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)
    layer: Any = None
    failed: BaseException | None = None
    linked: tuple[str, int] | None = None

    def known(self, cache: Any, name: str, steps: int) -> None:
        """Keep the name of a cache, and how many steps it knows."""
        self.caches.append(cache)  # its identity is its own as long as it lives
        self.names[id(cache)], self.steps[id(cache)] = name, steps

    def next(self, what: str) -> str:
        """The next name of this kind."""
        return f"{what}_{1 + sum(one.name.startswith(what + '_') for one in self.did)}"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Write down what typed layers are called with meanwhile, and what is done to their caches."""
        call, new, copied, called_on = Typed.own_call, Typed.new_cache, cache_calls.copied, cache_calls.called_on
        replaced = {
            (Typed, "own_call"): lambda module, **arguments: self._call(module, arguments, call),
            (Typed, "new_cache"): lambda module, *given: self._new(module, given, new),
            (cache_calls, "copied"): lambda cache: self._copy(cache, copied),
            (cache_calls, "called_on"): lambda cache, methods: self._method(cache, methods, called_on),
        }
        with ExitStack() as stack:
            for (place, name), instead in replaced.items():
                stack.enter_context(mock.patch.object(place, name, instead))
            yield

    def _call(self, module: Typed, arguments: dict[str, Any], call: Any) -> Any:
        if rounds_at_random():
            return call(module, **arguments)
        roles, self.layer = self.build.roles, module.layer
        assert roles.cache is not None
        cache = arguments.get(roles.cache.name)
        if cache is not None and id(cache) not in self.names:
            raise NoLiteral("a cache that comes from elsewhere")
        begin = self.steps.get(id(cache), 0)
        given = {
            name: Written(self.names[id(part)]) if part is cache is not None else frozen(part) for name, part in arguments.items()
        }
        first = next(one for one in roles.sequences if one.name in arguments)
        steps = arguments[first.name].shape[first.tensors[0].axes.index(roles.time)]
        did = Did(self.next("result"), "called", given, self.names.get(id(cache), ""), begin)
        self.did.append(did)
        try:
            result = call(module, **arguments)
        except Exception as error:
            self.failed = error
            raise
        did.result = [frozen(at(result, path)) for path, _ in roles.outputs]
        self.steps[id(cache)] = begin + steps
        if self.linked is not None and cache is not None:
            self.known(cache, *self.linked)
            self.linked = None
        path = roles.cache.path
        back = None if path is None else at(result, path)
        if back is not None and back is not cache:
            self.known(back, did.name + path_text(path), begin + steps)
        return result

    def _new(self, module: Typed, given: Any, new: Any) -> Any:
        cache = new(module, *given)
        if not rounds_at_random():
            assert self.build.roles.cache is not None
            known = {"rows": given[1] if len(given) > 1 and given[1] is not None else given[0].shape[1], "dtype": given[0].dtype,
                     "device": given[0].device, "module": Written("layer")}  # fmt: skip
            sizes = self.build.roles.cache.arguments
            made = {name: known[what] if what in known else axis_size(what, module.sizes) for name, what in sizes}
            self.did.append(Did(self.next("cache"), self.maker, made))
            self.known(cache, self.did[-1].name, 0)
        return cache

    def _copy(self, cache: Any, copied: Any) -> Any:
        other = copied(cache)
        self.did.append(Did(self.next("cache"), "copy.deepcopy", {"": Written(self.names[id(cache)])}, self.names[id(cache)]))
        if other is cache:
            self.linked = self.did[-1].name, self.steps[id(cache)]
        else:
            self.known(other, self.did[-1].name, self.steps[id(cache)])
        return other

    def _method(self, cache: Any, methods: dict[str, Any], called_on: Any) -> Any:
        other, refused = called_on(cache, methods)
        name = next((name for name in methods if callable(getattr(cache, name, None))), "")
        if not refused and name:
            given, old = methods[name], self.names[id(cache)]
            did = Did(
                "" if other is cache else self.next("cache"), f"{old}.{name}", dict.fromkeys([""], given[0]) if given else {}, old
            )
            self.did.append(did)
            back = {"crop": lambda: given[0], "reset": lambda: 0, "clear": lambda: 0}
            steps = self.steps[id(cache)] - given[0] if name.startswith("roll") else back.get(name, lambda: self.steps[id(cache)])()
            self.known(other, did.name or old, steps)
        return other, refused


@dataclass(frozen=True)
class Shown:
    """What is shown of a failure: the lines before, the two numbers, and the comparison that they are of; or what a call raised."""

    lines: list[str]
    actual: str = ""
    expected: str | None = None
    part: Comparison | None = None
    raised: BaseException | None = None


def cached_calls(subject: Subject, prop: Property, case: Any, text: Text, *, whole: bool) -> Shown | None:
    """Return a failure with a cache as calls, None where they do not show it; whole: with the imports, and the layer's numbers."""
    build = subject.build
    if (
        not isinstance(case, Case)
        or not isinstance(build, TypedBuild)
        or build.form is not None
        or not prop.id.startswith("cache.")
    ):
        return None
    maker = build.maker() if build.roles.cache is not None and not build.roles.cache.parts else None
    if maker is None or maker.expression is None or build.target.expression is None:
        return None
    log = Log(build, str(maker.expression))
    with log.listening(), seeded(case.seed, case.device), preserved():
        seen, raised = watch(prop, Trial(subject, case))

    def lines(done: list[Did]) -> list[str]:
        shown = [*(_made(log, case, text) if whole else []), *_lines(log, done, text)]
        copies = ["import copy"] if any("copy.deepcopy" in line for line in shown) else []
        more = [str(maker.lines)] if maker.lines != build.target.lines else []
        return [*copies, *more, *shown] if whole else shown

    if raised is not None:
        return Shown(lines(log.did), raised=raised) if raised is log.failed else None
    for part in sorted(seen.parts, key=lambda part: -part.worst()):
        if isinstance(part, Comparison) and part.worst() > 1 and "output" in part.what and part.actual.dim() == 3:
            found = _pair(log, case, part)
            if found is not None:
                (left, actual), (other, expected) = found
                end = max(log.did.index(left), log.did.index(other))
                needed = [one for one in log.did[: end + 1] if one.cache or one.result is None or one in (left, other)]
                return Shown(lines(needed), actual, expected, part)
    return None


Element = tuple[Did, str]


def _pair(log: Log, case: Case, part: Comparison) -> tuple[Element, Element] | None:
    """The calls that returned the two numbers that are farthest apart, each with the Python that takes it out."""
    place = worst_place(part)
    step, row, feature = (int(i) for i in place)
    step += case.time - part.actual.shape[0]
    for at_step in (step, None):
        for left in _elements(log, case, part.actual[place], at_step, row, feature):
            for other in _elements(log, case, part.expected[place], at_step, row, feature):
                if other[0] is not left[0]:
                    return left, other
    return None


def _elements(log: Log, case: Case, number: Tensor, step: int | None, row: int, feature: int) -> Iterator[Element]:
    """The places with this number at this step, or at any, in this row if there is one, in the last calls first."""
    assert case.config.named is not None
    roles, named = log.build.roles, case.config.named
    found = []
    for did in reversed([one for one in log.did if one.result is not None]):
        left = feature
        for tensor, value, (path, leaf) in zip(named.outputs, did.result, roles.outputs, strict=True):
            if 0 <= left < named.features(tensor) and isinstance(value, Tensor):
                steps, rows = (value.shape[leaf.axes.index(axis)] if axis in leaf.axes else 1 for axis in (roles.time, roles.batch))
                wanted = [t for t in range(steps) if step is None or roles.ragged is not None or did.begin + t == step]
                for t, r in ((t, r) for t in wanted for r in range(rows)):
                    index = index_of(named, leaf.axes, {roles.time: t, roles.batch: r}, left)
                    if value[index] == number or bool(value[index].isnan() & number.isnan()):
                        found.append((r != row, (did, f"{did.name}{path_text(path)}[{', '.join(map(str, index))}]")))
            left -= named.features(tensor)
    yield from (element for _, element in sorted(found, key=lambda one: one[0]))


def index_of(named: Named, axes: tuple[str, ...], known: dict[Any, int], feature: int) -> tuple[int, ...]:
    """Return the index of a feature along a tensor's own axes, between those that are known."""
    rest = [axis_size(axis, dict(named.sizes)) for axis in axes if axis not in known]
    inner = iter(int(i) for i in torch.unravel_index(torch.tensor(feature), rest)) if rest else iter(())
    return tuple(known[axis] if axis in known else next(inner) for axis in axes)


def path_text(path: Any) -> str:
    """Return a path in a result as Python."""
    return "".join(f"[{one!r}]" if isinstance(one, int) else f".{one}" for one in path)


def _made(log: Log, case: Case, text: Text) -> list[str]:
    """The lines that make the layer with its numbers; none of a function."""
    target, layer = log.build.target, log.layer
    if not isinstance(layer, nn.Module):
        return []
    assert case.config.named is not None
    sizes = case.config.named.arguments
    arguments = ", ".join(f"{name}={sizes[axis]!r}" for name, axis in log.build.sizes.items())
    made = f"{target.expression}({arguments})" if isinstance(target.object, type) else f"copy.deepcopy({target.expression})"
    numbers = {name: value.detach().clone() for name, value in layer.state_dict().items()}
    lines = [f"layer = {made}.to({case.torch_dtype}).{'train' if case.training else 'eval'}()"]
    return [*lines, f"layer.load_state_dict({text(numbers)})"] if numbers else lines


def _lines(log: Log, done: list[Did], text: Text) -> list[str]:
    """What was done as Python, each tensor in a line of its own."""
    called = "layer" if isinstance(log.layer, nn.Module) else str(log.build.target.expression)
    lines: list[str] = []
    for did in done:
        arguments, number = [], did.name.rpartition("_")[2]
        for name, value in did.arguments.items():
            inline = not isinstance(value, Tensor) or not name
            if inline:
                arguments.append(f"{name}={_plain(value, text)}" if name else _plain(value, text))
            else:
                lines.append(f"{name}_{number} = {text(value.clone() if value.is_contiguous() else value)}")
                arguments.append(f"{name}={name}_{number}")
        expression = called if did.expression == "called" else did.expression
        line = f"{did.name + ' = ' if did.name else ''}{expression}({', '.join(arguments)})"
        lines += textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return lines


def _plain(value: Any, text: Text) -> str:
    if isinstance(value, Written):
        return str(value)
    if isinstance(value, torch.device):
        return f"torch.device({str(value)!r})"
    if type(value) is tuple or isinstance(value, Tensor):
        return text(value)
    if isinstance(value, bool | int | float | str | torch.dtype | None):
        return repr(value)
    raise NoLiteral(f"a {type(value).__name__} as an argument")
