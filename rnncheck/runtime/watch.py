"""``rnncheck.watch(model)``: looks at every recurrent layer inside a model while it is trained or used."""

import warnings
from collections import Counter
from functools import partial
from math import isinf
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnncheck.adapters.torch_layers import split_result
from rnncheck.core.kinds import kind_of
from rnncheck.core.plain_text import plain, said
from rnncheck.core.subject import Malformed
from rnncheck.nn.base import Recurrent
from rnncheck.runtime.contracts import Coin, ContractWarning, Policy, active, known, out_of_bounds, users_level, violate
from rnncheck.runtime.hand_written import findings, hand_written
from rnncheck.runtime.sampled_gates import some_gates
from rnncheck.runtime.typed_calls import typed_findings, typed_modules
from rnncheck.runtime.watched_steps import WatchedSteps
from rnncheck.typechecked import enabled, transformed

SATURATED = 1e-3
"""A gate this near to 0 or 1 hardly learns: its slope is below a thousandth."""
MOSTLY = 0.9
"""The share of a gate's values from which saturation is reported."""


class watch:
    """Check, in a ``with`` statement, a sampled fraction of the calls of each recurrent layer of ``model``.

    It checks the shapes of output and states, non-finite values, the bounds of h (|h| <= 1 for LSTM without
    projection and RNN with tanh, and for a GRU that starts within them), gates that are nearly always shut or open (in
    four sequences of the batch), and, with ``max_norm``, the gradients' total norm as an optimizer takes a step.

    A layer written by hand is found by experiment, as ``rnncheck.verify`` reads it; in its calls, the numbers of steps and
    rows and non-finite values are checked. In the calls of one that is annotated as a recurrence of any kind, axes whose sizes
    do not fit and non-finite values are.

    Args:
        model: a module, whose recurrent layers are watched
        sample: the fraction of calls, and of an optimizer's steps; the first of each is always checked, and one at a random
            place in every 1/sample after it: an error that stays (a NaN, an unclipped gradient at each step) is found
            after 2/sample calls at most
        policy: "warn" (once for each kind of finding and layer), "raise", "log" or "count"
        max_norm: the largest norm that gradients may have when an optimizer of these parameters takes a step
        optimizer: the optimizer whose steps are checked, over all of its parameters, also those outside of the model; they
            must be finite, too. The model then need not have a recurrent layer
        scaler: the torch.amp.GradScaler of that optimizer, so that a loss scale that is removed too late is recognised

    It draws nothing from torch's random state. A call that it cannot read is reported as a warning, and stops nothing.
    Under torch.compile, torch.export, tracing and vmap it does nothing. After it, ``findings`` counts what was found, by
    layer and kind, and ``calls`` the calls that were checked; it warns if there was none. Where the numbers tell, a finding
    says which mistake it is (docs/training_steps.md). Raises ValueError where there is nothing to check.

    Examples:
        >>> model = nn.LSTM(2, 3)
        >>> with watch(model, sample=1.0) as seen:
        ...     _ = model(torch.zeros(4, 1, 2))
        >>> seen.calls, dict(seen.findings)
        (1, {})
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        sample: float = 0.01,
        policy: Policy = "warn",
        max_norm: float | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        scaler: torch.amp.GradScaler | None = None,
    ) -> None:
        self.typed = typed_modules(model)
        self.readings = {name: reading for name, reading in hand_written(model).items() if name not in self.typed}
        wanted = {name for name, m in model.named_modules() if isinstance(m, nn.RNNBase | Recurrent)}
        wanted |= {*self.readings, *self.typed}
        self.layers = {key: m for name, m in model.named_modules() if {name, key := name or type(m).__name__} & wanted}
        if not self.layers and optimizer is None:
            raise ValueError(f"watch({type(model).__name__}): there is no recurrent layer inside; nothing would be checked")
        known(policy)
        self.model, self.policy, self.max_norm = model, policy, max_norm
        self.sample = sample
        self.tosses = {name: Coin(sample, name) for name in self.layers}
        self.steps = WatchedSteps(model, sample, max_norm, optimizer, scaler, partial(self._found, type(model).__name__))
        self.findings: Counter[tuple[str, str]] = Counter()
        self.calls = 0
        self._handles: list[Any] = []

    def __enter__(self) -> "watch":
        for name, layer in self.layers.items():
            self._handles.append(layer.register_forward_hook(_Hook(self, name), with_kwargs=True))
        self.steps.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.steps.end(raised=error is not None)
        if error is not None or not enabled():
            return
        if self.steps.optimizer is not None and not self.steps.looked:
            what = f"watch({type(self.model).__name__}): no step of the optimizer was checked"
            warnings.warn(f"{what}: it made none, or without gradients", ContractWarning, stacklevel=2)
        if self.layers and not self.calls:
            what = f"watch({type(self.model).__name__}): no call of {', '.join(self.layers)} was checked"
            warnings.warn(f"{what}: none was made, or all were compiled or traced", ContractWarning, stacklevel=2)

    def _look(self, name: str, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        if not active() or transformed() or not self.tosses[name]():
            return
        self.calls += 1
        try:
            with torch.no_grad():
                reading = self.readings.get(name)
                if name in self.typed:
                    found = list(typed_findings(layer, args, kwargs, result))
                elif reading is None:
                    found = look(layer, *_given(*args, **kwargs), result)
                else:
                    found = list(findings(reading, _first(*args, **kwargs), result))
        except Exception as error:  # a running program does not stop because we cannot look
            what = f"{name}: a call could not be checked: {said(error)}"
            warnings.warn(what, ContractWarning, stacklevel=users_level())
            return
        for what, message in found:
            self._found(name, what, message)

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


def _given(input: Any, hx: Any = None, *more: Any, **others: Any) -> tuple[Any, Any]:
    """The input and the state that a layer was called with."""
    return input, hx


def _first(*args: Any, **kwargs: Any) -> Any:
    """The first argument of a call, whatever it is called."""
    return next(iter((*args, *kwargs.values())), None)


def look(layer: Any, input: Any, hx: Any, result: Any) -> list[tuple[str, str]]:
    """(kind, message) of everything that is wrong with one call of a recurrent layer."""
    try:
        output, state = split_result(result)
    except Malformed as error:
        return [("shape", plain(error))]
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
    return found or _saturated(layer, input, hx, output)


def _state_limit(layer: Any, hx: Any) -> float | None:
    """What |h| may be at most, with a rounding's leeway; None where there is no bound."""
    first = hx[0] if isinstance(hx, tuple | list) and hx else hx
    start = first.abs().max() if isinstance(first, Tensor) and first.numel() else torch.zeros(())
    limit = float(kind_of(layer.mode).states[0].bound(start, 1))
    return None if layer.proj_size or isinf(limit) else limit * (1 + 4 * torch.finfo(layer.weight_ih_l0.dtype).eps)


def _saturated(layer: Any, input: Any, hx: Any, output: Any) -> list[tuple[str, str]]:
    """Gates that are within SATURATED of 0 or of 1 nearly everywhere."""
    letters = kind_of(layer.mode).sigmoids
    if not letters or not (output.data if isinstance(output, PackedSequence) else output).numel():
        return []
    found = []
    for index, gates in enumerate(some_gates(layer, input, hx, output)):
        values = torch.stack([gates[letter].flatten() for letter in letters])
        shares = torch.stack([values < SATURATED, values > 1 - SATURATED]).float().mean(-1).tolist()
        where = f"layer {index // (1 + layer.bidirectional)}{' reverse' if index % (1 + layer.bidirectional) else ''}"
        found += [
            (f"gate {letter} at {end}", f"gate {letter} of {where} is at {end} in {part:.0%} of the places checked")
            for end, each in zip("01", shares, strict=True) for letter, part in zip(letters, each, strict=True) if part > MOSTLY
        ]  # fmt: skip
    return found
