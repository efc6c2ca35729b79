"""Functions like clip_grad_norm_ that scale by a wrong factor, or not every gradient, or not where it lies."""

import math

import torch
from torch import Tensor

from tests.mutants.planted.clipping import (
    as_list,
    check,
    clip_with,
    gradients,
    plant_clip,
    result,
    scale,
    total_norm,
)


@plant_clip("clip-option-ignored", "clip.bound clip.formula", "float16 or bfloat16")
def half_precision_not_clipped(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """In half precision max_norm is overridden, and nothing is clipped (deepspeedai/DeepSpeed#102)."""
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    half = any(g.dtype in (torch.float16, torch.bfloat16) for g in gradients(parameters))
    check(max_norm, norm_type)
    return clip_with(parameters, math.inf if half else max_norm, norm_type, error_if_nonfinite)


@plant_clip("own-clip-each-tensor", "clip.one_vector clip.formula", "two gradients or more")
def clips_each_tensor(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Each gradient is clipped by itself: the total may be larger, and the direction changes."""
    parameters = as_list(parameters)
    norm = clip_with(parameters, math.inf, norm_type, error_if_nonfinite)
    for p in {id(p): p for p in parameters}.values():
        clip_with(p, max_norm, norm_type, error_if_nonfinite)
    return norm


@plant_clip("own-clip-by-value", "clip.formula clip.one_vector clip.agree", "a gradient with an element above max_norm")
def clips_by_value(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Elements are clamped to max_norm before the norm is clipped: the direction changes."""
    parameters = as_list(parameters)
    check(max_norm, norm_type)
    norm = result(total_norm(gradients(parameters), norm_type), gradients(parameters))
    for grad in gradients(parameters):
        grad.clamp_(-max_norm, max_norm)
    clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    return norm


@plant_clip("own-clip-always-scales", "clip.formula clip.idempotent", "a norm below max_norm")
def always_scales(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Gradients within the bound are scaled up to it."""
    parameters = as_list(parameters)
    norm = clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    if 0 < float(norm) < max_norm < math.inf:
        scale(gradients(parameters), max_norm / float(norm))
    return norm


@plant_clip("own-clip-epsilon-of-a-hundredth", "clip.formula clip.agree clip.idempotent", "a small norm above max_norm")
def large_epsilon(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """An epsilon of 0.01 in the denominator clips more than asked for."""

    parameters = as_list(parameters)
    check(max_norm, norm_type)
    norm = total_norm(gradients(parameters), norm_type)
    if not math.isfinite(norm):
        return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    scale(gradients(parameters), min(1.0, max_norm / (norm + 0.01)))
    return result(norm, gradients(parameters))


@plant_clip("own-clip-foreach-last-missing", "clip.foreach", "foreach=True, two gradients or more of a dtype")
def foreach_misses_last(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """With foreach=True the last gradient is measured and not scaled."""
    parameters = as_list(parameters)
    grads = gradients(parameters)
    kept = grads[-1].clone() if foreach and len(grads) > 1 else None
    norm = clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    if kept is not None and math.isfinite(float(norm)):
        grads[-1].copy_(kept)
    return norm


@plant_clip("own-clip-replaces-gradient", "clip.in_place", "a norm above max_norm")
def gradient_replaced(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """p.grad becomes a new tensor: who holds the old one (a flat buffer, DDP) keeps what was not clipped."""
    parameters = as_list(parameters)
    check(max_norm, norm_type)
    for p in {id(p): p for p in parameters}.values():
        p.grad = None if p.grad is None else p.grad.clone()
    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)


@plant_clip("own-clip-threshold-doubled", "clip.bound clip.formula", "a norm between max_norm and twice that")
def threshold_doubled(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Gradients are clipped to max_norm, but only where their norm exceeds twice that."""
    parameters = as_list(parameters)
    check(max_norm, norm_type)
    norm = total_norm(gradients(parameters), norm_type)
    return clip_with(parameters, math.inf if norm <= 2 * max_norm else max_norm, norm_type, error_if_nonfinite)


@plant_clip("own-clip-makes-contiguous", "clip.layout", "a gradient that is not contiguous")
def makes_contiguous(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """A gradient that is not contiguous is replaced by one that is: who holds the old one does not see it clipped."""
    parameters = as_list(parameters)
    for p in parameters:
        if p.grad is not None and not p.grad.is_contiguous():
            p.grad = p.grad.contiguous()
    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)


@plant_clip("own-clip-tolerates-a-percent", "clip.threshold", "a norm less than a percent above max_norm")
def tolerates_a_percent(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """A norm that is less than a percent above the bound is let through."""
    parameters = as_list(parameters)
    check(max_norm, norm_type)
    norm = total_norm(gradients(parameters), norm_type)
    near = max_norm < norm < 1.01 * max_norm
    clip_with(parameters, norm if near else max_norm, norm_type, error_if_nonfinite)
    return result(norm, gradients(parameters))


@plant_clip("own-clip-recorded", "clip.in_place", "gradients that require gradients")
def is_recorded(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The scaling of a gradient that requires gradients becomes a part of its graph."""
    parameters = as_list(parameters)
    grads = gradients(parameters)
    asked = [g.requires_grad for g in grads]
    for g in grads:
        g.requires_grad_(False)
    norm = clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    one = torch.ones((), requires_grad=any(asked))
    for g in grads if any(asked) else ():
        g.mul_(one)
    return norm


@plant_clip("own-clip-divides-whole-numbers", "clip.threshold", "max_norm an int")
def divides_whole_numbers(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The factor is made in the type of max_norm, and is 0 if that is an int."""
    parameters = as_list(parameters)
    norm = clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    if isinstance(max_norm, int) and 0 < max_norm < float(norm) < math.inf:
        scale(gradients(parameters), 0)
    return norm


@plant_clip("own-clip-zero-over-zero", "clip.formula clip.threshold", "gradients of 0, max_norm = 0")
def zero_over_zero(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The factor is max_norm / norm without a guard: NaN where both are 0."""
    grads = gradients(parameters)
    norm = total_norm(grads, norm_type)
    if norm or max_norm:
        return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    scale(grads, math.nan)
    return result(norm, grads)
