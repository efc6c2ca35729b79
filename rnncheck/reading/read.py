"""Read a target by experiments on small shapes whose sizes all differ; names are hints where two readings fit."""

import inspect
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.reading.adapted import Adapted
from rnncheck.reading.dependency import Dependency, dependency
from rnncheck.reading.results import Path, common, leaves, structure_of, value_at
from rnncheck.reading.signature import HX, LENGTHS
from rnncheck.system.fork import end_a_copy

TIME, BATCH, CUT = 5, 3, 2
"""Sizes of the experiments, beside input and hidden sizes that differ from them; and where a sequence is cut in two."""
GOOD = 4.0
"""The score of a reading that nothing contradicts."""
STATE_WORDS = (
    *HX,
    "c", "cx", "c0", "c_0", "cell", "cell_state", "c_prev", "h_prev", "memory", "mem", "carry", "prev", "previous",
    "initial", "hidden_states", "prev_hidden", "last_state", "hiddens", "hprev", "s", "hs", "cs", "h_t", "c_t",
    "last_hidden",
)  # fmt: skip
MASK_WORDS = (
    "mask", "padding_mask", "valid", "x_mask", "seq_mask", "src_mask", "masks", "key_padding_mask", "pad_mask",
    "valid_mask",
)  # fmt: skip
OTHER_FORMS = {"tensor": ("list",), "list": ("tensor",), "mask": ("float mask", "padding mask")}
MAKERS = (
    "init_hidden", "init_state", "initial_state", "zero_state", "get_initial_state", "init_states", "begin_state",
    "make_state", "initial_states", "init_hidden_state", "initHidden", "get_init_state", "new_state",
)  # fmt: skip
RESETS = (
    "reset_state", "reset_states", "reset", "reset_hidden", "reset_hidden_state", "clear_state", "clear", "init_hidden",
    "init_state",
)  # fmt: skip


class Unreadable(Exception):
    """No reading fits; the message says what the most promising one met."""


@dataclass(frozen=True)
class Sizes:
    """Of one configuration: what the input and the hidden size are, and how many layers and directions there are."""

    input: int
    hidden: int
    layers: int = 1
    directions: int = 1


@dataclass(frozen=True)
class Seen:
    """One way to call a module that works, and what it shows."""

    how: Mapping[str, Any]
    depends: Dependency
    features: int
    plain: bool
    parts: int
    pair: bool
    carries: float
    directions: int = 1
    needed: bool = False

    @property
    def score(self) -> float:
        """How well this reading explains the module, its state included."""
        return self.depends.score + self.carries


def read_module(module: Any, sizes: Sizes, cell_first: bool = False) -> Seen:
    """Return the best way to call this module; raises Unreadable where none works."""
    best: Seen | None = None
    failures: list[str] = []
    for how in _forms(module, cell_first):
        for start in _starts(module, how, sizes):
            try:
                seen = _look(module, how, start, sizes)
            except Exception as error:  # this is not how it is called
                failures.append(f"{type(error).__name__}: {error}")
                continue
            if best is None or seen.score > best.score + 1e-6:
                best = seen
            break
        if best is not None and best.score >= GOOD + 1:
            break
    if best is None:
        raise Unreadable(failures[0] if failures else "it takes no input")
    return best


def read_again(module: Any, how: Mapping[str, Any], sizes: Sizes) -> Mapping[str, Any]:
    """Return how this module of other layers or directions is called, in a form that is known."""
    form = {name: how[name] for name in ("input", "batch_first", "lengths", "reset", "ids")}
    for start in _starts(module, form, sizes):
        try:
            return _look(module, form, start, sizes).how
        except Exception:  # the state begins otherwise
            continue
    raise Unreadable("its state has another structure with other layers or directions")


def _forms(module: Any, cell_first: bool) -> Iterator[dict[str, Any]]:
    """The ways in which the input may be given."""
    lengths = _lengths(module)
    base: dict[str, Any] = {"lengths": lengths, "reset": _reset(module)}
    if isinstance(module, nn.Module) and any(isinstance(part, nn.Embedding) for part in module.modules()):
        base["ids"] = True
    major = getattr(module, "batch_first", None) is True
    sequences: list[dict[str, Any]] = [{"batch_first": first} for first in ((True, False) if major else (False, True))]
    layers = [*sequences, {"input": "channels first", "batch_first": True}]
    cell: list[dict[str, Any]] = [{"input": "step"}]
    for form in [*cell, *layers] if cell_first else [*layers, *cell]:
        yield {**base, **form}
        if lengths is not None and lengths[2] and lengths[1] in OTHER_FORMS:
            for other in OTHER_FORMS[lengths[1]]:
                yield {**base, **form, "lengths": (lengths[0], other, True)}


def _parameters(module: Any) -> list[inspect.Parameter]:
    """The parameters of a call, behind the input."""
    try:
        known = list(inspect.signature(module.forward if isinstance(module, nn.Module) else module).parameters.values())
    except (TypeError, ValueError):
        return []
    return [p for p in known if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)][1:]


def _lengths(module: Any) -> tuple[str, str, bool] | None:
    for p in _parameters(module):
        if p.name in LENGTHS or "len" in p.name.lower():
            return p.name, "list" if "list" in str(p.annotation).lower() else "tensor", p.default is p.empty
        if p.name in MASK_WORDS:
            return p.name, "mask", p.default is p.empty
    return None


def _reset(module: Any) -> tuple[str, bool] | None:
    """The method that makes a layer forget which keeps its state itself, and takes none."""
    if _state_parameters(module):
        return None
    for name in RESETS:
        method = getattr(module, name, None)
        if callable(method):
            try:
                needed = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
            except (TypeError, ValueError):
                continue
            if len(needed) <= 1:
                return name, len(needed) == 1
    return None


def _state_parameters(module: Any) -> list[inspect.Parameter]:
    """Which arguments may take a state: those that are called so, or else must be given."""
    rest = [p for p in _parameters(module) if p.name not in LENGTHS and p.name not in MASK_WORDS and "len" not in p.name.lower()]
    named = [p for p in rest if p.name.lower() in STATE_WORDS or "state" in p.name.lower() or "hidden" in p.name.lower()]
    unsaid = [p for p in rest if p.default is p.empty and p.annotation not in (bool, int, float, str)]
    optional = [p for p in rest if p.default is None] if not named else []
    return [p for p in rest if p in named or p in unsaid or p in optional]


# states ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """What is given for the state in the first call: nothing, or values of this structure."""

    values: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()


def _starts(module: Any, how: Mapping[str, Any], sizes: Sizes) -> Iterator[Start]:
    """What may be given for the state; nothing, where it may be left out."""
    parameters = _state_parameters(module)
    needed = [p for p in parameters if p.default is p.empty]
    if not needed:
        yield Start()
        return
    names = tuple(p.name for p in needed)
    for made in _made(module, sizes):
        if len(names) == 1:
            yield Start((made,), names)
        elif isinstance(made, tuple | list) and len(made) == len(names):
            yield Start(tuple(made), names)
    states = sizes.layers * sizes.directions
    shapes = [(states, BATCH, sizes.hidden), (BATCH, sizes.hidden), (BATCH, states, sizes.hidden)]
    for shape in shapes if how.get("input") != "step" else [(BATCH, sizes.hidden), (1, BATCH, sizes.hidden)]:
        zero = [torch.zeros(shape, dtype=torch.float64) for _ in range(4)]
        if len(names) > 1:
            yield Start(tuple(zero[: len(names)]), names)
        else:
            one, two = zero[:2]
            for value in (one, (one, two), [one], [(one, two)], {"h": one}, {"h": one, "c": two}):
                yield Start((value,), names)


def _made(module: Any, sizes: Sizes) -> Iterator[Any]:
    """What the module's own method gives for a state at the beginning."""
    for name in MAKERS:
        method = getattr(module, name, None)
        if not callable(method):
            continue
        x = torch.zeros(TIME, BATCH, sizes.input, dtype=torch.float64)
        for arguments in ((BATCH,), (), (x,), (BATCH, "cpu"), (BATCH, torch.device("cpu")), (x.transpose(0, 1),)):
            try:
                made = method(*arguments)
            except Exception:  # it is asked otherwise
                continue
            if made is not None:
                yield _double(made)
                break


def _double(value: Any) -> Any:
    """The same state in float64."""
    if isinstance(value, Tensor):
        return value.double()
    if type(value) in (tuple, list):
        return type(value)(_double(one) for one in value)
    return {name: _double(one) for name, one in value.items()} if isinstance(value, dict) else value


# one form -------------------------------------------------------------------------------------------------------------


def _look(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes) -> Seen:
    """Call the module in this form, find output and state in what comes back, and how the state goes in again."""
    x = torch.randn(TIME, BATCH, sizes.input, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    step = how.get("input") == "step"
    given = x[0] if step else x.transpose(0, 1) if how["batch_first"] else x
    first = _call(module, how, start, given, sizes)
    output, found = _output(first, how)
    called = {**how, **found, "output": list(output)}
    called["features"] = found["features"] if found["features"] not in (sizes.hidden, 2 * sizes.hidden) else None
    groups = list(_groups(first, output, called, sizes))
    settled, depends = called, None
    if not step:
        run = runner(module, {**called, "given": [], "states": None}, start, sizes)
        depends = dependency(lambda x: run(x)[0][-1:] if called["last"] else run(x)[0], x)
        if depends.reverse == 1.0 and depends.forward < 1.0 and not called["last"]:
            settled = {**called, "reverse": True}
        if depends.two_ways and sizes.directions == 1 and found["features"] == 2 * sizes.hidden:
            return _look(module, how, start, replace(sizes, directions=2))
    ways = [way for group in groups for way in _ways(module, first, group, settled, sizes)]
    judged, reasons = [], []
    for way in ways:
        try:
            judged.append(_judged(module, way, x, start, sizes, found["features"], depends))
        except Exception as error:  # the state does not go in like this
            reasons.append(error)
    if not judged:
        raise reasons[0]
    return max(judged, key=lambda seen: seen.score)


def _groups(result: Any, output: Path, how: Mapping[str, Any], sizes: Sizes) -> Iterator[list[tuple[Path, Tensor]]]:
    """The tensors of the result that may be the state: all that can be, or those of one part of the result."""
    step = how.get("input") == "step"
    fitting = [(path, t) for path, t in leaves(result) if _is_state(t, sizes)]
    other = [] if how["listed"] else [(path, t) for path, t in fitting if path != output]
    if step:
        yield fitting  # a cell may return its state alone
    if other:
        yield other
    fronts = list(dict.fromkeys(path[0] for path, _ in other if path))
    if len(fronts) > 1:
        for front in fronts:
            yield [(path, t) for path, t in other if path[0] == front]
    if not step or not fitting:
        yield []


def _call(module: Any, how: Mapping[str, Any], start: Start, given: Tensor, sizes: Sizes) -> Any:
    bare = Adapted(module, sizes.hidden, **{**how, "given": [], "states": None, "output": []})
    bare.how["others"] = dict(zip(start.names, start.values, strict=True))
    with quiet():
        bare.begin(given)
        return bare.result(given, None, None)


def runner(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes) -> Callable[..., tuple[Tensor, Any]]:
    """The module as a function from (time, batch, input) and a state to (time, batch, features) and the final state."""
    called = Adapted(module, sizes.hidden, **how)
    first = dict(zip(start.names, start.values, strict=True))
    whole = how.get("input") == "step" or not how["batch_first"]

    def run(x: Tensor, state: Any = None, seed: int = 0) -> tuple[Tensor, Any]:
        called.how["others"] = first if state is None else {}
        with quiet(seed):
            output, final = called(x if whole else x.transpose(0, 1), state)
        return (output if whole else output.transpose(0, 1)), final

    return run


class quiet:
    """Inside, no gradients, no warnings, and random numbers from one seed."""

    def __init__(self, seed: int = 0, grad: bool = False) -> None:
        self.seed, self.with_grad = seed, grad

    def __enter__(self) -> None:
        self.process = os.getpid()
        self.before, self.warn, self.state = torch.is_grad_enabled(), warnings.catch_warnings(), torch.default_generator.get_state()
        torch.set_grad_enabled(self.with_grad)
        self.warn.__enter__()
        warnings.simplefilter("ignore")
        torch.default_generator.manual_seed(self.seed)

    def __exit__(self, *exception: object) -> None:
        end_a_copy(self.process)
        torch.default_generator.set_state(self.state)
        self.warn.__exit__(*exception)  # type: ignore[arg-type]
        torch.set_grad_enabled(self.before)


def _output(result: Any, how: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The path to the output, and what is known of it: whether it is of the last step alone, a list, its features."""
    found = list(leaves(result))
    if how.get("input") == "step":
        path, tensor = next((path, t) for path, t in found if t.dim() == 2 and t.shape[0] == BATCH)
        return path, {"last": False, "listed": False, "features": tensor.shape[-1]}
    channels = how.get("input") == "channels first"
    axes = (BATCH, None, TIME) if channels else (BATCH, TIME, None) if how["batch_first"] else (TIME, BATCH, None)
    for path, t in found:
        if t.dim() == 3 and all(a in (None, s) for a, s in zip(axes, t.shape, strict=True)):
            return path, {"last": False, "listed": False, "features": t.shape[1 if channels else 2]}
    for front in ((), *(path[:1] for path, _ in found if path)):
        listed = value_at(result, front)
        if isinstance(listed, tuple | list) and len(listed) == TIME and len({getattr(t, "shape", None) for t in listed}) == 1:
            return front, {"last": False, "listed": True, "features": listed[0].shape[-1]}
    path, tensor = next((path, t) for path, t in found if t.dim() == 2 and t.shape[0] == BATCH)
    return path, {"last": True, "listed": False, "features": tensor.shape[-1]}


def _is_state(tensor: Tensor, sizes: Sizes) -> bool:
    """Whether this may be a part of a state: it has a batch axis, no time axis, and whole hidden sizes of features."""
    rest = list(tensor.shape)
    if BATCH not in rest or TIME in rest or not tensor.is_floating_point():
        return False
    rest.remove(BATCH)
    features = math.prod(rest)
    return bool(rest) and features > 0 and features % sizes.hidden == 0 and sizes.input not in set(rest) - {sizes.hidden}


def _axes(tensor: Tensor, sizes: Sizes) -> tuple[Any, ...]:
    """The axes of a state's tensor; -k is k * hidden_size."""
    batch = list(tensor.shape).index(BATCH)
    found = [-(size // sizes.hidden) if size % sizes.hidden == 0 else size for size in tensor.shape]
    return tuple("batch" if i == batch else size for i, size in enumerate(found))


def _ways(module: Any, result: Any, states: list[tuple[Path, Tensor]], how: Mapping[str, Any],
          sizes: Sizes) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The ways in which the state may be given back to the module."""
    if not states:
        yield {**how, "given": [], "states": None, "tensors": [], "order": None}
        return
    paths, tensors = [path for path, _ in states], [tensor for _, tensor in states]
    found = {**how, "states": [list(path) for path in paths], "tensors": [_axes(t, sizes) for t in tensors]}
    parameters = _state_parameters(module)
    parts = sum(t.numel() // (BATCH * sizes.hidden) for t in tensors)
    given: list[list[tuple[str | None, Any]]] = []
    if parameters and not _needs_several(parameters):
        given += [[(parameters[0].name, structure)] for structure in _structures(result, paths, tensors)]
    if len(parameters) >= len(tensors) > 1:
        for some in permutations(range(len(tensors))) if len(tensors) <= 3 else [tuple(range(len(tensors)))]:
            given.append([(p.name, number) for p, number in zip(parameters, some, strict=False)])
    for arguments in given or [[]]:
        wide = len(tensors) == 1 and any(type(a) is int and a < -1 for a in found["tensors"][0])  # one state of several sizes
        for order in [None] if wide else _orders(parts, sizes):
            yield {**found, "given": arguments, "order": order}


def _structures(result: Any, paths: list[Path], tensors: list[Tensor]) -> list[Any]:
    """What a state may look like that these tensors make up: as it came back, the containers around it, or a tuple of them."""
    numbers = {id(tensor): number for number, tensor in enumerate(tensors)}
    around = common(paths)
    found = [structure_of(value_at(result, around[:end]), numbers) for end in range(len(around), -1, -1)]
    found += [["tuple", *range(len(tensors))]] if len(tensors) > 1 else [0, ["tuple", 0], ["list", 0]]
    return [one for i, one in enumerate(found) if one is not None and one not in found[:i]]


def _needs_several(parameters: list[inspect.Parameter]) -> bool:
    return sum(p.default is p.empty for p in parameters) > 1


def _orders(parts: int, sizes: Sizes) -> list[list[int] | None]:
    """Where h and c may be among the parts; None where they are all of one kind."""
    states = sizes.layers * sizes.directions
    if parts != 2 * states:
        return [None]
    half = list(range(states))
    blocks = [*half, *[n + states for n in half]], [*[n + states for n in half], *half]
    pairs = [2 * n for n in half], [2 * n + 1 for n in half]
    found = [list(blocks[0]), list(blocks[1]), [*pairs[0], *pairs[1]], [*pairs[1], *pairs[0]]]
    return [order for i, order in enumerate(found) if order not in found[:i]]  # type: ignore[return-value]


def _judged(module: Any, how: Mapping[str, Any], x: Tensor, start: Start, sizes: Sizes, features: int,
            depends: Dependency | None) -> Seen:  # fmt: skip
    """How well this way explains the module: what depends on what, and whether a sequence in two pieces is the whole."""
    run = runner(module, how, start, sizes)
    output, final = run(x)
    if depends is None:
        depends = dependency(lambda x: run(x)[0], x)
    carries, pair = 0.0, how["order"] is not None
    if how["given"]:
        carries = _carries(run, x, output)
    elif how["states"] is not None:
        carries = 0.2
    if pair and isinstance(final, tuple):
        ends = output[-1, :, : sizes.hidden]
        same = final[0].shape[-1] == ends.shape[-1] and torch.allclose(final[0][-sizes.directions], ends)
        carries += 0.2 if same else 0.05 * (how["order"] == sorted(how["order"]))
    parts = 0 if how["states"] is None else sum(map(_parts, how["tensors"]))
    literal = {**how, "others": {}}
    plain = _is_plain(literal, module, sizes)
    return Seen(literal, depends, features, plain, parts, pair, carries, sizes.directions, bool(start.names))


def _parts(axes: tuple[Any, ...]) -> int:
    """How many parts of hidden_size features a tensor with these axes has."""
    return math.prod(1 if a == "batch" else abs(a) for a in axes)


def _carries(run: Callable[..., tuple[Tensor, Any]], x: Tensor, output: Tensor) -> float:
    """Whether the state that comes back goes in again: 1 where two pieces are the whole, less where it is only taken."""
    try:
        _, middle = run(x[:CUT])
        rest, _ = run(x[CUT:], middle)
    except Exception:  # it is not taken like this
        return -1.0
    return 1.0 if rest.shape == output[CUT:].shape and torch.allclose(rest, output[CUT:], atol=1e-9) else 0.3


def _is_plain(how: Mapping[str, Any], module: Any, sizes: Sizes) -> bool:
    """Whether this is how torch's layers are called."""
    states, pair = sizes.layers * sizes.directions, how["order"] is not None
    axes = [(states, "batch", -1), *([("batch", -1)] if states == 1 else [])]
    second = next(iter(_parameters(module)), None)
    as_given = second is not None and how["given"] == [(second.name, ["tuple", 0, 1] if pair else 0)]
    as_returned = how["output"] == [0] and how["states"] == ([[1, 0], [1, 1]] if pair else [[1]])
    in_order = how["order"] in (None, list(range(2 * states))) and all(tensor in axes for tensor in how["tensors"])
    by_lengths = how["lengths"] is None or (not how["lengths"][2] and how["lengths"][1] == "tensor")
    unusual = any(how.get(word) for word in ("ids", "last", "listed", "reset", "reverse"))
    otherwise = how.get("input", "sequence") != "sequence" or unusual
    return as_given and as_returned and in_order and by_lengths and not otherwise
