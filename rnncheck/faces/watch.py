"""``rnncheck.watch(model)``: looks at every recurrent layer inside a model while it is trained or used."""

import warnings
from collections import Counter
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.optim.optimizer import register_optimizer_step_pre_hook

import rnncheck.nn as typed
from rnncheck.adapters.torch_layers import split_result
from rnncheck.contracts import enabled, transformed
from rnncheck.faces.decorators import Coin, ContractWarning, Policy, active, known, norm_above, out_of_bounds, violate
from rnncheck.nn.base import Recurrent
from rnncheck.subject import Malformed

SATURATED = 1e-3
"""A gate this near to 0 or 1 hardly learns: its slope is below a thousandth."""
MOSTLY = 0.9
"""The share of a gate's values from which saturation is told."""


class watch:
    """In a ``with`` statement: a sampled fraction of the calls of each recurrent layer of ``model`` is looked at.

    Looked at are the shapes of output and states, non-finite values, the bounds of h (|h| <= 1 for LSTM without
    projection and RNN with tanh, and for a GRU that starts within them), gates that are nearly always shut or open,
    and, with ``max_norm``, the gradients' total norm at each step of an optimizer.

    sample:   the fraction of calls; the first call of each layer is always looked at
    policy:   "warn" (once a kind of finding and layer), "raise", "log" or "count"
    max_norm: the clip bound that gradients are to keep when an optimizer takes a step

    Under torch.compile, torch.export, tracing and vmap it steps aside. After it, ``findings`` counts what was found, by
    layer and kind, and ``calls`` the calls that were looked at; it warns if there was none.

    >>> model = nn.LSTM(2, 3)
    >>> with watch(model, sample=1.0) as seen:
    ...     _ = model(torch.zeros(4, 1, 2))
    >>> seen.calls, dict(seen.findings)
    (1, {})
    """

    def __init__(self, model: nn.Module, *, sample: float = 0.01, policy: Policy = "warn", max_norm: float | None = None) -> None:
        self.layers = {name or type(m).__name__: m for name, m in model.named_modules() if isinstance(m, nn.RNNBase | Recurrent)}
        if not self.layers:
            raise ValueError(f"watch({type(model).__name__}): there is no recurrent layer inside; nothing would be looked at")
        known(policy)
        self.model, self.policy, self.max_norm = model, policy, max_norm
        self.tosses = {name: Coin(sample, name) for name in self.layers}
        self.findings: Counter[tuple[str, str]] = Counter()
        self.calls = 0
        self._handles: list[Any] = []

    def __enter__(self) -> "watch":
        for name, layer in self.layers.items():
            self._handles.append(layer.register_forward_hook(_Hook(self, name), with_kwargs=True))
        if self.max_norm is not None:
            self._handles.append(register_optimizer_step_pre_hook(self._step))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if error is None and not self.calls and enabled():
            what = f"watch({type(self.model).__name__}): no call of {', '.join(self.layers)} was looked at"
            warnings.warn(f"{what}: none was made, or all were compiled or traced", ContractWarning, stacklevel=2)

    def _look(self, name: str, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        if active() and not transformed() and self.tosses[name]():
            self.calls += 1
            hx = args[1] if len(args) > 1 else kwargs.get("hx")
            with torch.no_grad():
                for what, message in look(layer, args[0] if args else kwargs["input"], hx, result):
                    self._found(name, what, message)

    def _step(self, optimizer: torch.optim.Optimizer, *args: Any) -> None:
        assert self.max_norm is not None
        message = norm_above(self.model.parameters(), self.max_norm)
        if message:
            self._found(type(self.model).__name__, "gradient norm", message.replace("after the call", "at the optimizer's step"))

    def _found(self, name: str, what: str, message: str) -> None:
        self.findings[name, what] += 1
        violate(f"{name}: {what}", f"{name}: {message}", self.policy, first=self.findings[name, what] == 1)


class _Hook:
    """Hands the calls of one layer to a watch. A copy of the layer is watched too; one that was pickled is not."""

    def __init__(self, watching: watch | None = None, name: str = "") -> None:
        self.watching, self.name = watching, name

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        if self.watching is not None:
            self.watching._look(self.name, layer, args, kwargs, result)

    def __deepcopy__(self, memo: Any) -> "_Hook":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _Hook, ()


def look(layer: Any, input: Any, hx: Any, result: Any) -> list[tuple[str, str]]:
    """(kind, message) of everything that is wrong with one call of a recurrent layer."""
    try:
        output, state = split_result(result)
    except Malformed as error:
        return [("shape", str(error))]
    data = output.data if isinstance(output, PackedSequence) else output
    x = input.data if isinstance(input, PackedSequence) else input
    features = (layer.proj_size or layer.hidden_size) * (2 if layer.bidirectional else 1)
    found = []
    if tuple(data.shape) != (*x.shape[:-1], features):
        found.append(("shape", f"output has shape {tuple(data.shape)}, but should have {(*x.shape[:-1], features)}"))
    for part, value in (("output", data), *zip(("h_n", "c_n"), state, strict=False)):
        if not bool(value.isfinite().all()):
            found.append(("non-finite", f"{part} has {int((~value.isfinite()).sum())} non-finite values of {value.numel()}"))
    limit = _state_limit(layer, hx)
    beyond = None if limit is None or found else out_of_bounds(data, -limit, limit)
    if beyond:
        found.append(("state bound", f"output{beyond}"))
    return found or _saturated(layer, input, hx)


def _state_limit(layer: Any, hx: Any) -> float | None:
    """What |h| may be at most, with a rounding's leeway; None where there is no bound."""
    if layer.mode == "RNN_RELU" or layer.proj_size:
        return None
    start = float(hx.abs().max()) if layer.mode == "GRU" and isinstance(hx, Tensor) and hx.numel() else 0.0
    return max(1.0, start) * (1 + 4 * torch.finfo(layer.weight_ih_l0.dtype).eps)


def _saturated(layer: Any, input: Any, hx: Any) -> list[tuple[str, str]]:
    """Gates that are within SATURATED of 0 or of 1 nearly everywhere."""
    if layer.mode.startswith("RNN"):
        return []
    found = []
    for index, gates in enumerate(_twin(layer).gates(input, hx)):
        for letter in "rz" if layer.mode == "GRU" else "ifo":
            values = gates[letter].data if isinstance(gates[letter], PackedSequence) else gates[letter]
            for end, share in (("0", (values < SATURATED)), ("1", (values > 1 - SATURATED))):
                part = float(share.float().mean()) if values.numel() else 0.0
                if part > MOSTLY:
                    where = f"layer {index // (1 + layer.bidirectional)}{' reverse' if index % (1 + layer.bidirectional) else ''}"
                    found.append((f"gate {letter} at {end}", f"gate {letter} of {where} is at {end} in {part:.0%} of all places"))
    return found


def _twin(layer: Any) -> Any:
    """A typed layer that shares this layer's parameters, for its gates to be looked at."""
    if isinstance(layer, Recurrent):
        return layer
    options = {"bias": layer.bias, "batch_first": layer.batch_first, "bidirectional": layer.bidirectional}
    projection = {"proj_size": layer.proj_size} if layer.mode == "LSTM" else {}
    twin = getattr(typed, layer.mode)(layer.input_size, layer.hidden_size, layer.num_layers, **options, **projection, device="meta")
    twin.load_state_dict(dict(layer.named_parameters()), assign=True)
    return twin
