"""Functions like clip_grad_norm_ that take what they should refuse, or fail on what they should take."""

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


@plant_clip("own-clip-generator-used-up", "clip.bound clip.formula clip.used_up", "parameters as a generator", takes=lambda p: p)
def generator_used_up(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """A generator of parameters is used up by the norm; the loop that scales finds nothing."""
    if isinstance(parameters, Tensor):
        return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    check(max_norm, norm_type)
    norm = total_norm([p.grad for p in parameters if p.grad is not None], norm_type)
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(f"the total norm of order {norm_type} is {norm}")
    grads = gradients(parameters)
    if norm > max_norm or math.isnan(norm):
        scale(grads, max_norm / norm if math.isfinite(norm) else math.nan)
    return result(norm, grads)


@plant_clip("own-clip-error-flag-ignored", "clip.error_if_nonfinite", "inf or NaN, error_if_nonfinite")
def error_flag_ignored(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """error_if_nonfinite is accepted and ignored."""
    return clip_with(parameters, max_norm, norm_type, False)


@plant_clip("own-clip-error-after-scaling", "clip.error_if_nonfinite", "inf or NaN, error_if_nonfinite")
def error_after_scaling(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The error is raised when the gradients have been overwritten already."""
    parameters = as_list(parameters)
    clip_with(parameters, max_norm, norm_type, False)
    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)


@plant_clip("own-clip-no-gradient-crashes", "clip.nothing clip.formula", "a parameter without gradient")
def no_gradient_crashes(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """A parameter without a gradient raises AttributeError."""
    parameters = as_list(parameters)
    assert all(p.grad.layout is torch.strided for p in parameters)
    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
