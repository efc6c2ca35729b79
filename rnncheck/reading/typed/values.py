"""Numbers of a case as a typed recurrence takes them. Scripts show this file as it is, so it needs torch alone."""

from typing import Any

import torch


def reversed_in_time(x: torch.Tensor, lengths: Any = None) -> torch.Tensor:
    """Each sequence with its last step first; padding stays behind it."""
    return x.flip(0) if lengths is None else turned(x.flip(0), lengths.to(x.device) - len(x))


def turned(x: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Return each sequence of (time, batch, features) rotated by its number of steps towards its end."""
    places = (torch.arange(len(x), device=x.device)[:, None] - steps) % max(len(x), 1)
    return x.gather(0, places[..., None].expand(*places.shape, x.shape[2]))


def ranged(x: torch.Tensor, low: Any, high: Any) -> torch.Tensor:
    """Any numbers as numbers between these bounds, most of them near ``high``, or near ``low`` if that is alone; some far off."""
    if low is None and high is None:
        return x
    if low is None or high is None:
        away = torch.nn.functional.softplus(x - 3) + 24 * torch.sigmoid(4 * x - 10)
        return high - away if low is None else low + away
    return low + (high - low) * (1e-3 + 0.999 * torch.sigmoid(x + 3) * torch.sigmoid(4 * x + 10))


def in_type(x: torch.Tensor, kind: str) -> torch.Tensor:
    """Numbers in the type that a call takes: "float" as they are, "float32" with no fewer digits; whole, or beyond 1/2 or not."""
    if kind == "float32":
        return x.to(torch.promote_types(x.dtype, torch.float32))
    if kind in ("float", "complex"):
        return torch.view_as_complex(x) if kind == "complex" else x
    return x > 0.5 if kind == "bool" else x.nan_to_num().clamp(-6e4, 6e4).round().to(torch.int64)


def counted(before: Any, axes: Any, front: Any, x: torch.Tensor) -> Any:
    """Return how many steps come before, as a call takes it: a number where it has no axes, or one for each step and sequence.

    front: the sizes of the axes of time and batch, by name; x: a tensor on the device of the call
    """
    if axes is None:
        return before
    (time, steps), places = next(iter(front.items())), axes.split()
    found = before + torch.arange(steps, device=x.device) if time in places else torch.tensor(before, device=x.device)
    found = found[:, None] if places[1:] and places[0] == time else found
    return found.expand([front[axis] for axis in places]).contiguous()


def carried_in(how: Any, cache: Any) -> dict[str, Any]:
    """Return the arguments that take a cache, or several side by side; none where none is given."""
    if cache is None:
        return {}
    return dict(zip([name for name, _ in how["parts"]], cache, strict=True)) if how["parts"] else {how["name"]: cache}


def pairs_apart(x: torch.Tensor, axes: str) -> torch.Tensor:
    """A copy where the last axis is 2: torch reads no complex numbers from just any place in something larger or its gradient."""
    return x.flip(-1).flip(-1) if axes.split()[-1:] == ["2"] else x
