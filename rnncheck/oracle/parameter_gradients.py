"""Gradients of the parameters, as products of those of the pre-activations with inputs and states, and their errors.

    dW_ih = sum over time and batch of da xᵀ     dW_hh = the same with what U is applied to     db = sum of da

da is what flows into W x + b_ih, dr what flows into U h + b_hh; they differ in a GRU with reset_after only. U is applied to
the previous h, but to r * h for the candidate of a GRU that resets before. dW_hr = sum of dh (o * tanh(c))ᵀ.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.oracle.error_size import Sizes, summation
from rnncheck.oracle.kinds import equations_of
from rnncheck.oracle.trace import Trace
from rnncheck.oracle.truth import Problem

Factors = Mapping[str, tuple[Tensor, Tensor | None]]
"""parameter -> (gradient of what it is added or multiplied into, what it multiplies); (gates, time, copies, batch, size), where the
second has one gate for all if they multiply the same."""


def factors(problem: Problem, index: int, trace: Trace, x: Tensor, grads: Mapping[str, Tensor]) -> Factors:
    """Of one strand, by the parameter's name without its suffix."""
    config, da = problem.config, grads["x"]
    dr, start = grads.get("rec", da), problem.start(index, x.shape[1])[0]
    h = trace.before("h", start, problem.reverse(index), problem.valid).detach()
    found = {"weight_ih": (da, x[None]), "weight_hh": (dr, equations_of(config).multiplied(h, trace))}
    biases = {"bias_ih": (da, None), "bias_hh": (dr, None)} if config.bias else {}
    projection = {"weight_hr": (grads["h"][None], trace["m"].detach()[None])} if config.proj_size else {}
    return {**found, **biases, **projection}


def _sum(config: Config, d: Tensor, multiplied: Tensor | None) -> Tensor:
    """The sum over time and batch in torch's layout, (copies, rows, columns) or (copies, rows)."""
    if multiplied is None:
        total = d.sum(dim=(1, 3)).transpose(0, 1)
    else:
        total = torch.einsum("gtkbh,gtkbi->kghi", d, multiplied.expand(len(d), -1, -1, -1, -1))
    if total.shape[1] > 1:
        total = total[:, [config.kind.order.index(gate) for gate in config.gates]]
    return total.flatten(1, 2)


def parameter_gradients(config: Config, terms: Factors) -> dict[str, Tensor]:
    """(copies, …) in torch's layout."""
    return {name: _sum(config, d, multiplied) for name, (d, multiplied) in terms.items()}


def parameter_variances(config: Config, terms: Factors, true: Mapping[str, Tensor], sizes: Sizes) -> dict[str, Tensor]:
    """Return the variances of adding up over time and batch, in torch's layout.

    true: the parameter_gradients of these terms

    An implementation that adds a step's share to the gradient at each step rounds it to the stored type each time.
    """
    u, operand = max(sizes.accumulate, sizes.store), 2 * sizes.rounding.operand
    found = {}
    for name, (d, multiplied) in terms.items():
        count = d.shape[1] * d.shape[3]
        size = _sum(config, d.abs(), None if multiplied is None else multiplied.abs())[0]
        value = true[name][0]
        squares = _sum(config, d.square(), None if multiplied is None else multiplied.square())[0]
        variance = u**2 * summation(max(count, 1), size, value.abs(), value, squares)
        variance = variance + operand**2 * (squares + value.square()) + count * sizes.rounding.underflow**2
        found[name] = torch.where(size > sizes.rounding.overflow, torch.nan, variance)
    return found


def parameter_sigma(config: Config, truth: Tensor, copies: Tensor, count: int, own: Tensor) -> Tensor:
    """sigma of each element: the larger of its own and that of its row, or of its gate where rows are short."""
    variance = (copies - truth).square().sum(dim=0) / count
    gates = len(config.gates) if len(variance) % len(config.gates) == 0 else 1
    if variance.dim() == 2 and variance.shape[1] > 2:
        together = variance.mean(dim=1, keepdim=True)
    else:
        together = variance.unflatten(0, (gates, -1)).flatten(1).mean(dim=1)
        together = together.repeat_interleave(len(variance) // gates).view(-1, *[1] * (variance.dim() - 1))
    return (torch.maximum(variance, together) + own).sqrt()
