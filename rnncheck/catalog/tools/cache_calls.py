"""Calls of a typed recurrence with a cache that is carried from call to call, as checks make them and as scripts show them."""

import copy
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.subject import Layer
from rnncheck.running.backward import trained


def call_after_call(layer: Layer, x: Tensor, hx: Any, parts: Any, cache: Any) -> tuple[list[Tensor], Any, Any]:
    """Return the outputs of these steps, what is given to the next call as the state, and the cache."""
    outputs: list[Tensor] = []
    for begin, end in parts:
        output, state, cache = layer.module.with_cache(x[begin:end], hx, cache, before=begin)
        outputs, hx = [*outputs, output], state[0] if state else hx
    return outputs, hx, cache


def outputs_in_pieces(layer: Layer, x: Tensor, hx: Any, parts: list[tuple[int, int]]) -> dict[str, Tensor]:
    """Return the outputs of these steps, call after call, with one new cache."""
    outputs, _, _ = call_after_call(layer, x, hx, parts, layer.module.new_cache(x))
    return {"output": torch.cat(outputs).detach()}


def gradients_in_pieces(layer: Layer, x: Tensor, hx: Any, weights: Tensor, parts: list[tuple[int, int]]) -> dict[str, Any]:
    """Return the gradients of the weighted sum of the outputs, call after call with one new cache; or what backward raises."""
    with torch.enable_grad():
        x, hx = x.detach().requires_grad_(), None if hx is None else hx.detach().requires_grad_()
        wanted = {"input": x, **({} if hx is None else {"h_0": hx}), **trained(layer)}
        outputs, _, _ = call_after_call(layer, x, hx, parts, layer.module.new_cache(x))
        loss = (torch.cat(outputs) * weights).sum()
        try:
            found = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
        except RuntimeError as error:  # a cache that is written into in place says that it is for inference
            return {"refused": type(error).__name__}
        return dict(zip(wanted, found, strict=True))


def prefilled(layer: Layer, x: Tensor, hx: Any, lengths: list[int], steps: int) -> dict[str, Tensor]:
    """Return the outputs of single steps after a call with the first steps of each sequence, of which each has another number."""
    told, rows, how = torch.tensor(lengths, device=x.device), torch.arange(len(lengths)), layer.module.roles["ragged"]
    _, state, cache = layer.module.with_cache(x[: max(lengths)], hx, layer.module.new_cache(x), told)
    hx, outputs = state[0] if state else hx, list[Tensor]()
    for step in range(steps):
        one = x[told + step, rows][None]
        output, state, cache = layer.module.with_cache(one, hx, cache, 0 * told + 1 if how["form"] == "offsets" else None)
        outputs, hx = [*outputs, output], state[0] if state else hx
    return {"output": torch.cat(outputs).detach()}


def after_another(layer: Layer, x: Tensor, hx: Any) -> dict[str, Tensor]:
    """Return the output with a new cache, after a call with another one that was made later."""
    first = layer.module.new_cache(x)
    layer.module.with_cache(x, hx, layer.module.new_cache(x))
    return {"output": layer.module.with_cache(x, hx, first)[0].detach()}


@torch.no_grad()
def branched(layer: Layer, x: Tensor, hx: Any, k: int) -> dict[str, Tensor]:
    """Return the outputs with the cache, and then with a copy of it as it was after k steps."""
    before, state, original = call_after_call(layer, x, hx, [(0, k)], layer.module.new_cache(x))
    other = copied(original)
    later, again = (call_after_call(layer, x, state, [(k, len(x))], one)[0] for one in (original, other))
    return {"cache": torch.cat(before + later).detach(), "copy": torch.cat(before + again).detach()}


def copied(cache: Any) -> Any:
    """Return a cache of its own that knows the same."""
    return copy.deepcopy(cache)


def called_on(cache: Any, methods: dict[str, list[Any]]) -> tuple[Any, str]:
    """Return the cache after the first of these methods that it has, and what it says where it has none or refuses.

    Methods that Python's own lists and dicts have, such as ``clear``, say nothing of a recurrence.
    """
    found = {name: getattr(cache, name, None) for name in methods}
    name = next((name for name, method in found.items() if callable(method) and not isinstance(method, type(len))), None)
    if name is None:
        return cache, f"its cache has no method {' or '.join(methods)}"
    try:
        back = getattr(cache, name)(*methods[name])
    except Exception as error:  # whoever cannot do it says so
        return cache, f"{name} of its cache raises {type(error).__name__}"
    return cache if back is None else back, ""


def back_again(layer: Layer, x: Tensor, hx: Any, k: int, methods: dict[str, list[Any]]) -> dict[str, Any]:
    """Return the outputs of k steps, and of the others with a cache that knew all of them and was brought back by a method."""
    before, state, _ = call_after_call(layer, x, hx, [(0, k)] if k else [], layer.module.new_cache(x))
    _, _, cache = call_after_call(layer, x, hx, [(0, len(x))], layer.module.new_cache(x))
    cache, refused = called_on(cache, methods)
    if refused:
        return {"refused": refused}
    later, _, _ = call_after_call(layer, x, state, [(k, len(x))], cache)
    return {"output": torch.cat(before + later).detach()}


def rows_chosen(layer: Layer, x: Tensor, hx: Any, k: int, rows: list[int], methods: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs of these rows from step k on, with a cache whose rows a method has chosen after k steps."""
    _, state, cache = call_after_call(layer, x, hx, [(0, k)], layer.module.new_cache(x))
    cache, refused = called_on(cache, dict.fromkeys(methods, [torch.tensor(rows, device=x.device)]))
    if refused:
        return {"refused": refused}
    later, _, _ = call_after_call(layer, x[:, rows], None if state is None else state[:, rows], [(k, len(x))], cache)
    return {"output": torch.cat(later).detach()}
