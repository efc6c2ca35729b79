"""Functions like clip_grad_norm_ whose total norm is wrong."""

import math

import torch
from torch import Tensor

from tests.mutants.planted.clipping import (
    as_list,
    check,
    clip_with,
    combined,
    gradients,
    one_norm,
    plant_clip,
    result,
    scale,
    total_norm,
)


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


@plant_clip("own-clip-returns-norm-after", "clip.returns_norm", "a norm above max_norm")
def returns_norm_after(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm after clipping is returned."""
    parameters = as_list(parameters)
    clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    return result(total_norm(gradients(parameters), norm_type), gradients(parameters))


def plain_norm(grads, p):
    """The p-norm with powers in the gradients' own dtype, which overflow and underflow."""
    if p == math.inf:
        return total_norm(grads, p)
    powers = [g.detach().abs().float().pow(p).sum() for g in grads]
    return float(sum(powers, torch.tensor(0.0)) ** (1 / p))


@plant_clip("own-clip-squares-overflow", "clip.huge_and_tiny", "gradients above 1e19 or below 1e-23 in float32")
def squares_overflow(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Huge gradients have squares of inf, tiny ones of zero: neither is clipped rightly."""
    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite, plain_norm)


@plant_clip("own-clip-counts-twice", "clip.listed_twice", "a parameter listed twice")
def listed_twice_counts_twice(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """A parameter that is listed twice is in the norm twice, and scaled twice."""
    parameters = as_list(parameters)
    check(max_norm, norm_type)
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = total_norm(grads, norm_type)
    if error_if_nonfinite or not math.isfinite(norm):
        return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    scale(grads, min(1.0, max_norm / norm) if norm else 1.0)
    return result(norm, grads)


@plant_clip("own-clip-only-two-norm", "clip.norms", "norm_type other than 2 and inf, two gradients or more")
def combines_with_two_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norms of the parts are combined with the 2-norm, whatever norm_type is."""

    def two_norm_of_norms(grads, p):
        return combined([one_norm(g, p) for g in grads], p if p == math.inf else 2.0)

    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite, two_norm_of_norms)


@plant_clip("own-clip-tail-left-out", "clip.many", "a gradient of more than 4096 elements")
def leaves_out_the_tail(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm is summed in blocks of 4096 elements, the last of which is left out unless it is full."""

    def whole_blocks(grads, p):
        return total_norm([g.reshape(-1)[: g.numel() // 4096 * 4096] if g.numel() > 4096 else g for g in grads], p)

    return clip_with(as_list(parameters), max_norm, norm_type, error_if_nonfinite, whole_blocks)


@plant_clip("own-clip-many-left-out", "clip.many", "more than 64 gradients")
def leaves_out_gradients(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm is summed over 64 gradients at a time, and the rest is left out."""

    def full_chunks(grads, p):
        return total_norm(grads[: len(grads) // 64 * 64] if len(grads) > 64 else grads, p)

    return clip_with(as_list(parameters), max_norm, norm_type, error_if_nonfinite, full_chunks)


@plant_clip("own-clip-first-320", "clip.many", "more than 320 gradients")
def takes_the_first_320(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """One launch of the kernel sums the first 320 gradients; there is no second one."""

    def one_launch(grads, p):
        return total_norm(grads[:320], p)

    return clip_with(as_list(parameters), max_norm, norm_type, error_if_nonfinite, one_launch)


@plant_clip("own-clip-whole-norm-types", "clip.norms", "norm_type 1.5")
def whole_norm_types(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """norm_type is taken for a whole number."""
    whole = norm_type if math.isinf(norm_type) or norm_type < 1 else float(int(norm_type))
    return clip_with(as_list(parameters), max_norm, whole, error_if_nonfinite)
