"""A clean clip_grad_norm_ in parts, and how one with a bug is declared."""

import math
import warnings
from functools import wraps

import torch
from torch import Tensor

from tests.mutants.registry import Mutant, add


def gradients(parameters):
    """The gradients that are there, each parameter once."""
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in {id(p): p for p in parameters}.values() if p.grad is not None]


def whole(tensor):
    """The tensor, of a DTensor all ranks' shards."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def check(max_norm, norm_type):
    if not max_norm >= 0:
        raise ValueError(f"max_norm should be a number >= 0, got {max_norm}")
    if not norm_type > 0:
        raise ValueError(f"norm_type should be a number > 0, got {norm_type}")


def one_norm(grad, p):
    """The p-norm of one gradient in float64, with no square that overflows."""
    values = whole(grad.detach()).double().abs().flatten()
    largest = float(values.max()) if len(values) else 0.0
    if largest == 0 or not math.isfinite(largest) or p == math.inf:
        return largest
    return largest * float((values / largest).pow(p).sum() ** (1 / p))


def combined(norms, p):
    """The p-norm of a vector of norms."""
    return one_norm(torch.tensor(norms, dtype=torch.float64), p)


def total_norm(grads, p):
    """The p-norm of all gradients as one vector, in float64."""
    return combined([one_norm(g, p) for g in grads], p)


def scale(grads, factor):
    with torch.no_grad():
        for grad in grads:
            grad.copy_(grad.double() * factor)


def result(norm, grads):
    """The norm as torch returns it: a tensor of the first gradient's dtype and device."""
    return torch.tensor(norm, dtype=torch.float64).to(grads[0].dtype).to(grads[0].device) if grads else torch.tensor(0.0)


def clip_with(parameters, max_norm, norm_type, error_if_nonfinite, norm_of=total_norm):
    """clip_grad_norm_ with another total norm."""
    check(max_norm, norm_type)
    grads = gradients(parameters)
    norm = norm_of(grads, norm_type)
    if not math.isfinite(norm):
        if error_if_nonfinite:
            raise RuntimeError(f"the total norm of order {norm_type} is {norm}")
        scale(grads, math.nan)
    elif norm > max_norm:
        scale(grads, max_norm / norm)
    return result(norm, grads)


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """All gradients scaled to a total norm of at most max_norm; not finite: an error if asked for, else all NaN."""
    return clip_with(listed(parameters), max_norm, norm_type, error_if_nonfinite)


def listed(parameters):
    """The parameters as a list, or the one tensor; that there are none is told."""
    parameters = parameters if isinstance(parameters, Tensor) else list(parameters)
    if isinstance(parameters, list) and not parameters:
        warnings.warn("there are no parameters: a generator that is used up?", stacklevel=3)
    return parameters


def as_list(parameters):
    """The parameters as a list, also one tensor."""
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def plant_clip(bug, kills, needs="", takes=listed, clean=clip_grad_norm_):
    """Declare the decorated function as a clip_grad_norm_ with this bug, which ``takes`` the parameters rightly; ``clean`` has
    no bug."""

    def declare(target):
        @wraps(target)
        def clip(parameters, *args, **options):
            return target(takes(parameters), *args, **options)

        like = torch.nn.utils.clip_grad_norm_
        add(Mutant(bug, clip, "clip", like, clean, tuple(kills.split()), needs))
        return target

    return declare
