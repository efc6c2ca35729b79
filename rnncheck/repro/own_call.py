"""The call that a layer itself is given, where an adapter stands between torch's call and the layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.subject import Layer
from rnncheck.reading.adapter.adapted import Adapted
from rnncheck.reading.adapter.arranged import KINDS, Arranged, put_together
from rnncheck.repro.events import frozen
from rnncheck.repro.literal import NoLiteral

Index = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class OwnCall:
    """given, named: the arguments of the layer's own call; places: each tensor in its result, with its path in Python.

    found: for each number of torch's results ("output", 0 for h_n, 1 for c_n) which number of the layer's own it is, counted
    through all tensors in order; -1 where it is none
    """

    given: list[Any]
    named: dict[str, Any]
    places: list[tuple[str, Tensor]]
    found: Mapping[Any, Tensor]

    @property
    def returns_tensor(self) -> bool:
        """Whether the result is a tensor, and not several."""
        return [path for path, _ in self.places] == [""]

    def expression(self, part: Any, at: Index) -> str:
        """Where in the result the number of torch's result is; raises NoLiteral where it is several together, or none."""
        number = int(self.found[part][at])
        for path, tensor in self.places:
            if 0 <= number < tensor.numel():
                index = torch.unravel_index(torch.tensor(number), tensor.shape)
                return f"{path}[{', '.join(str(int(i)) for i in index)}]"
            number -= tensor.numel()
        raise NoLiteral("a number that the layer does not return by itself")


def adapter_of(layer: Layer) -> Adapted | None:
    """Return the adapter in front of a layer, if there is one."""
    return layer.module if isinstance(layer.module, Adapted) else None


def own_call(adapter: Adapted, x: Any, hx: Any) -> OwnCall:
    """Return the one call that the adapter makes for this input; raises NoLiteral where it makes several."""
    if not isinstance(x, Tensor):
        raise NoLiteral("lengths beside the input")
    given: list[tuple[list[Any], dict[str, Any]]] = []
    results: list[Any] = []
    answer = type(adapter).answer

    def noted(arguments: list[Any], named: dict[str, Any]) -> Any:
        given.append(([frozen(one) for one in arguments], frozen(named)))  # a layer may write into them
        results.append(answer(adapter, arguments, named))
        return results[-1]

    try:
        actual = _through(adapter, noted, x, hx)
    except NoLiteral:
        if len(given) == 1 and not results:  # the call itself raises
            return OwnCall(*given[0], [], {})
        raise
    if len(given) != 1:
        raise NoLiteral(f"{len(given)} calls for one")
    result = results[0]
    places = list(_tensors(result, ""))
    counted = _counted(result, [0])
    found = {part: value.round().long() - 1 for part, value in _through(adapter, lambda *_: counted, x, hx).items()}
    numbers = torch.cat([tensor.detach().double().flatten() for _, tensor in places])
    for part, places_in in found.items():
        inside = (places_in >= 0) & (places_in < len(numbers))
        same = numbers[places_in.clamp(0, len(numbers) - 1)] == actual[part].double()
        found[part] = torch.where(inside & same, places_in, -1)
    return OwnCall(*given[0], places, found)


def own_parameters(adapter: Arranged, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the layer's own parameters under its own names, from those under torch's names that it is loaded with."""
    values = []
    for suffix in adapter.suffixes:
        torchs = {kind: parameters.get(kind + suffix) for kind in KINDS.values()}
        values += [put_together(piece, torchs, adapter.hidden_size) for piece in adapter.pieces]
    return dict(zip(adapter.own, values, strict=True))


def _through(adapter: Adapted, answer: Any, x: Tensor, hx: Any) -> dict[Any, Tensor]:
    """What the adapter returns where the layer answers so, as {"output": …, 0: h_n, 1: c_n}."""
    adapter.answer = answer  # type: ignore[method-assign]
    try:
        with torch.no_grad():
            output, state = adapter(x, hx)
    except Exception as error:  # a result that cannot be counted through
        raise NoLiteral(f"its result: {error}") from None
    finally:
        del adapter.answer
    states = state if isinstance(state, tuple) else (state,)
    return {"output": output, **dict(enumerate(states))}


def _tensors(result: Any, path: str) -> Any:
    """Yield each tensor of a result with its path; raises NoLiteral where the result is of a kind that cannot be made anew."""
    if isinstance(result, Tensor):
        if result.is_complex():
            raise NoLiteral("complex numbers")
        yield path, result
    elif type(result) in (tuple, list):
        for place, part in enumerate(result):
            yield from _tensors(part, f"{path}[{place}]")
    elif type(result) is dict:
        for key, part in result.items():
            yield from _tensors(part, f"{path}[{key!r}]")
    elif isinstance(result, tuple) and hasattr(result, "_fields"):
        for name, part in zip(result._fields, result, strict=True):
            yield from _tensors(part, f"{path}.{name}")
    elif result is not None:
        raise NoLiteral(f"a {type(result).__name__} as its result")


def _counted(result: Any, start: list[int]) -> Any:
    """The same with the numbers counted through all tensors in order, from 1."""
    if isinstance(result, Tensor):
        first, start[0] = start[0], start[0] + result.numel()
        return torch.arange(first + 1, start[0] + 1, dtype=torch.float64).reshape(result.shape)
    if type(result) in (tuple, list):
        return type(result)(_counted(part, start) for part in result)
    if type(result) is dict:
        return {key: _counted(part, start) for key, part in result.items()}
    return None if result is None else type(result)(*(_counted(part, start) for part in result))
