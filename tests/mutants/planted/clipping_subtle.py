"""More bugs of functions like clip_grad_norm_, of our own."""

import math

import torch
from torch import Tensor

from tests.mutants.planted.clipping import check, clip_with, combined, gradients, one_norm, plant_clip, result, scale, total_norm


def as_list(parameters):
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


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


@plant_clip("own-clip-returns-norm-after", "clip.returns_norm", "a norm above max_norm")
def returns_norm_after(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm after clipping is returned."""
    parameters = as_list(parameters)
    clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    return result(total_norm(gradients(parameters), norm_type), gradients(parameters))


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


@plant_clip("own-clip-no-gradient-crashes", "clip.nothing clip.formula", "a parameter without gradient")
def no_gradient_crashes(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """A parameter without a gradient raises AttributeError."""
    parameters = as_list(parameters)
    assert all(p.grad.layout is torch.strided for p in parameters)
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


@plant_clip("own-clip-tolerates-a-percent", "clip.threshold", "a norm less than a percent above max_norm")
def tolerates_a_percent(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """A norm that is less than a percent above the bound is let through."""
    parameters = as_list(parameters)
    check(max_norm, norm_type)
    norm = total_norm(gradients(parameters), norm_type)
    near = max_norm < norm < 1.01 * max_norm
    clip_with(parameters, norm if near else max_norm, norm_type, error_if_nonfinite)
    return result(norm, gradients(parameters))


@plant_clip("own-clip-whole-norm-types", "clip.norms", "norm_type 1.5")
def whole_norm_types(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """norm_type is taken for a whole number."""
    whole = norm_type if math.isinf(norm_type) or norm_type < 1 else float(int(norm_type))
    return clip_with(as_list(parameters), max_norm, whole, error_if_nonfinite)


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


@plant_clip("own-clip-first-320", "clip.many", "more than 320 gradients")
def takes_the_first_320(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """One launch of the kernel sums the first 320 gradients; there is no second one."""

    def one_launch(grads, p):
        return total_norm(grads[:320], p)

    return clip_with(as_list(parameters), max_norm, norm_type, error_if_nonfinite, one_launch)


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
