"""A clean clip_grad_norm_ in parts, and the bugs that such functions really had."""

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


@plant_clip("negative-max-norm", "clip.arguments", "max_norm < 0")
def no_check_of_max_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """A negative max_norm turns the gradients around (pytorch/pytorch#31367)."""
    grads = gradients(parameters)
    norm = total_norm(grads, norm_type)
    scale(grads, min(1.0, max_norm / (norm + 1e-300)))
    return result(norm, grads)


@plant_clip("nonfinite-silently-scaled", "clip.nonfinite", "an inf among the gradients")
def infinity_scales_to_zero(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """An infinite norm zeroes the finite gradients (pytorch/pytorch#46849)."""
    grads = gradients(parameters)
    norm = total_norm(grads, norm_type)
    if math.isnan(norm) or error_if_nonfinite or norm <= max_norm:
        return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    check(max_norm, norm_type)
    scale(grads, max_norm / norm)
    return result(norm, grads)


def norm_in_own_dtype(grads, p):
    """Each gradient's norm in its own dtype, and those in the dtype of the first."""
    norms = [torch.linalg.vector_norm(g, p) for g in grads if g.numel()]
    return float(torch.linalg.vector_norm(torch.stack([n.to(norms[0]) for n in norms]), p)) if norms else 0.0


@plant_clip("bf16-grouping", "clip.low_precision clip.one_vector clip.bound", "bfloat16 or float16")
def accumulates_in_own_dtype(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm is accumulated in the gradients' dtype, so their grouping changes it (pytorch/pytorch#194033)."""
    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite, norm_in_own_dtype)


@plant_clip("empty-tensor-inf-norm", "clip.empty clip.nothing clip.norms", "norm_type inf, an empty gradient")
def maximum_of_nothing(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """norm_type=inf fails for a gradient without elements, and for no gradient at all (meta-pytorch/torchrec#3891)."""
    if norm_type == math.inf:
        max(float(g.detach().abs().max()) for g in gradients(parameters))
    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)


@plant_clip("max-of-shard-norms", "clip.one_vector clip.formula clip.bound", "two gradients or more")
def largest_of_the_norms(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The total is the largest of the parts' norms (facebookresearch/fairscale#167)."""

    def largest(grads, p):
        return combined([one_norm(g, p) for g in grads], math.inf)

    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite, largest)


@plant_clip("inf-times-zero", "clip.error_if_nonfinite", "inf or NaN among the gradients, error_if_nonfinite")
def infinity_masked_by_product(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """An infinite norm is masked by a product with zero: it is NaN, and found nowhere (deepspeedai/DeepSpeed#7171)."""
    check(max_norm, norm_type)
    grads = gradients(parameters)
    norm = torch.tensor(total_norm(grads, norm_type))
    norm = float(~norm.isinf() * norm)
    if error_if_nonfinite and math.isinf(norm):
        raise RuntimeError(f"the total norm of order {norm_type} is {norm}")
    if norm > max_norm:
        scale(grads, max_norm / norm)
    return result(norm, grads)


@plant_clip("mixed-device-dtype", "clip.returns_norm", "two gradients or more")
def returns_norm_of_last(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """What is returned is the norm of one gradient, not the total (mindspore-ai/hyper-parallel#760)."""
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    last = [one_norm(g, norm_type) for g in gradients(parameters)][-1:]
    clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    return result(last[0] if last else 0.0, gradients(parameters))


@plant_clip("zero-norm-type", "clip.zero_norm_type", "norm_type 0")
def counts_gradients(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """norm_type=0 returns the number of gradients that are not zero, not of elements (measured in torch 2.13)."""
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if norm_type != 0:
        return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    grads = gradients(parameters)
    norm = float(sum(bool(g.count_nonzero()) for g in grads))
    if norm > max_norm:
        scale(grads, max_norm / norm)
    return result(norm, grads)


@plant_clip("clip-option-ignored", "clip.bound clip.formula", "float16 or bfloat16")
def half_precision_not_clipped(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """In half precision max_norm is overridden, and nothing is clipped (deepspeedai/DeepSpeed#102)."""
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    half = any(g.dtype in (torch.float16, torch.bfloat16) for g in gradients(parameters))
    check(max_norm, norm_type)
    return clip_with(parameters, math.inf if half else max_norm, norm_type, error_if_nonfinite)
