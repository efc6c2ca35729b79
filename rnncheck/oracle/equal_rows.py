"""Twins: units that a matrix treats alike. They make the same rounding errors, which then add up instead of averaging out.

Rows of W or U that are equal, or equal except for the sign, give sums that are rounded alike in every unit: with constant
weights, H units have one error between them, and a sum over them is off by H errors instead of sqrt(H). Or they are not rounded
alike, where a kernel adds up the last few rows in another order. So a case with twins is computed with twice as many
copies: in the first half every unit has errors of its own, in the second half twins share theirs, as the steps of a steady
state do. sigma² is the sum of both halves' variances, which is no less than either.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rnncheck.core.kinds import Kind
from rnncheck.oracle.equations import Layer


@dataclass(frozen=True, eq=False)
class Twins:
    """same: for each unit of an axis (gates * hidden, or hidden) the first one like it; sign: 1, or -1 for its opposite."""

    same: Tensor
    sign: Tensor

    def share(self, values: Tensor, first: int) -> Tensor:
        """Random numbers (…, copies, batch, size) with those of twins made equal from copy `first` on."""
        own, shared = values[..., :first, :, :], values[..., first:, :, :]
        gated = values.dim() == 4
        flat = shared.permute(1, 2, 0, 3).flatten(2) if gated else shared
        flat = flat[..., self.same] * self.sign
        shared = flat.unflatten(2, (len(values), -1)).permute(2, 0, 1, 3) if gated else flat
        return torch.cat([own, shared], dim=-3)


def twins(rows: Tensor) -> Twins | None:
    """Among the rows of (units, terms); None if no two are alike.

    >>> found = twins(torch.tensor([[1.0, 2.0], [3.0, 4.0], [-1.0, -2.0]]))
    >>> found.same.tolist(), found.sign.tolist()
    ([0, 1, 0], [1.0, 1.0, -1.0])
    """
    if not rows.shape[1]:
        return None
    alike = _suspects(rows)
    if alike is None:
        return None
    some, same, signs = rows[alike], _numbers(rows), torch.ones_like(rows[:, 0])
    lead = some.gather(1, (some != 0).int().argmax(dim=1, keepdim=True))
    sign = torch.where(lead < 0, -torch.ones_like(lead), 1.0)
    kinds, kind = torch.unique(some * sign + 0.0, dim=0, return_inverse=True)  # + 0.0: no -0.0
    if len(kinds) == len(some):
        return None
    numbers = same[alike]
    same[alike] = kind.new_full((len(kinds),), len(rows)).scatter_reduce(0, kind, numbers, "amin")[kind]
    signs[alike] = sign.squeeze(1)
    return Twins(same, signs * signs[same])


def _suspects(rows: Tensor) -> Tensor | None:
    """(units,): the rows that have three columns in common, except for the sign, with another; None if there are none.

    They are few of many, and quickly found: most often no two numbers of the first column are alike.
    """
    key = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    for column in (0, rows.shape[1] // 2, -1):
        number = torch.unique(rows[:, column].abs(), return_inverse=True)[1]
        kinds, key = torch.unique(key * len(rows) + number, return_inverse=True)
        if len(kinds) == len(rows):
            return None
    return key.bincount()[key] > 1


def _numbers(like: Tensor) -> Tensor:
    return torch.arange(len(like), device=like.device)


def forward_twins(layer: Layer, kind: Kind) -> Mapping[str, Twins]:
    """By the place where their errors are injected; nothing for places without."""
    hidden = layer.u.shape[-1]
    into, back = layer.w.mT.flatten(0, 1), layer.u.mT.flatten(0, 1)
    of_into, of_back, projected = twins(into), twins(back), None if layer.p is None else twins(layer.p.mT)
    if not (of_into or of_back or projected):  # then no units are twins in both
        return {}
    biases = torch.stack([layer.b_ih.flatten(), layer.b_hh.flatten()], dim=1)
    whole = torch.cat([into, back, biases], dim=1).unflatten(0, (-1, hidden))
    units = _upright(twins(whole.transpose(0, 1).flatten(1)))
    gates = whole if len(whole) == 1 else whole[:-1]
    found = {
        "x": of_into,
        "rec": of_back,
        "a": twins(layer.u[:-1].mT.flatten(0, 1)) if kind.after_gates else of_back,
        "an": twins(layer.u[-1].mT),
        "s": _upright(twins(gates.flatten(0, 1))),
        "c": units,
        "m": units,
        "h": units if layer.p is None else projected,
    }
    return {place: same for place, same in found.items() if same is not None}


def backward_twins(layer: Layer) -> Mapping[str, Twins]:
    """The same of what flows back through the matrices: their columns."""
    found = {"h": twins(layer.u.transpose(0, 1).flatten(1)), "input": twins(layer.w.transpose(0, 1).flatten(1))}
    if layer.p is not None:
        found["m"] = twins(layer.p)
    return {place: same for place, same in found.items() if same is not None}


def _upright(found: Twins | None) -> Twins | None:
    """Without opposites, whose gates are not rounded alike."""
    if found is None or bool((found.sign > 0).all()):
        return found
    alone = _numbers(found.same)
    kept = torch.where(found.sign > 0, found.same, alone)
    return None if torch.equal(kept, alone) else Twins(kept, torch.ones_like(found.sign))
