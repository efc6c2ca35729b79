"""What the mistakes of training steps are called: one small loop each, and loops whose effect no single mistake has."""

from math import inf

import pytest
import torch

from rnncheck.adapters.step_functions import probed_step, step_function
from rnncheck.core.step_case import StepCase
from rnncheck.diagnosis import known_mistake
from rnncheck.running.step_trial import StepTrial
from tests.effort import some

total, clip = torch.nn.utils.get_total_norm, torch.nn.utils.clip_grad_norm_


def backward(model, optimizer, batches, scaler=None):
    """The gradients of the whole batch."""
    optimizer.zero_grad()
    loss = sum(model(batch) * len(batch) for batch in batches) / sum(map(len, batches))
    (loss if scaler is None else scaler.scale(loss)).backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def scaled_by(coefficient):
    """A step that multiplies the gradients by ``coefficient(gradients, max_norm, batches)``, 1 at most."""

    def step(model, batches, optimizer, max_norm):
        grads = backward(model, optimizer, batches)
        torch._foreach_mul_(grads, min(1.0, float(coefficient(grads, max_norm, batches))))
        optimizer.step()

    return step


def biases_left_out(model, batches, optimizer, max_norm):
    backward(model, optimizer, batches)
    clip([p for p in model.parameters() if p.dim() > 1], max_norm)
    optimizer.step()


def rate_divided(model, batches, optimizer, max_norm):
    backward(model, optimizer, batches)
    clip(model.parameters(), max_norm)
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] /= len(batches)
    optimizer.step()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


def skipped_above(model, batches, optimizer, max_norm):
    if total(backward(model, optimizer, batches)) <= max_norm:
        optimizer.step()


def no_step(model, batches, optimizer, max_norm):
    backward(model, optimizer, batches)


def bound_scaled_too(model, batches, optimizer, max_norm, scaler=None):
    backward(model, optimizer, batches, scaler)
    scale = 1.0 if scaler is None else scaler.get_scale()
    if scaler is not None:
        scaler.unscale_(optimizer)
    clip(model.parameters(), max_norm * scale)
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update()


def never_scaled(model, batches, optimizer, max_norm, scaler=None):
    backward(model, optimizer, batches)
    if scaler is None:
        clip(model.parameters(), max_norm)
        optimizer.step()
        return
    scaler.scale(torch.ones(()))
    scaler.unscale_(optimizer)
    clip(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()


def named(function):
    return known_mistake(StepTrial(probed_step(step_function(function, "mine")), StepCase()))


@pytest.mark.parametrize(("function", "words"), some([
    (scaled_by(lambda g, bound, batches: bound / total(g) ** 2), "the square of the norm is taken for the norm"),
    (scaled_by(lambda g, bound, batches: bound / sum(x.norm() for x in g)),
     "the norms of the parameters are added for the norm of all"),
    (scaled_by(lambda g, bound, batches: bound / max(x.norm() for x in g)),
     "the largest norm of a parameter is taken for the norm of all"),
    (scaled_by(lambda g, bound, batches: bound / total(g, inf)), "the largest number is taken for the norm: norm_type = inf"),
    (scaled_by(lambda g, bound, batches: bound / total(g, 1.0)), "the sizes of all numbers are added for the norm: norm_type = 1"),
    (scaled_by(lambda g, bound, batches: bound / len(batches) / total(g)),
     "the gradients are divided by the number of micro-batches after clipping, or max_norm is"),
    (scaled_by(lambda g, bound, batches: bound * len(batches) / total(g)), "max_norm is multiplied by the number of micro-batches"),
    (biases_left_out, "some parameters are not clipped: head.bias, rnn.bias_hh_l0, rnn.bias_ih_l0"),
    (rate_divided, "the learning rate is divided by the number of micro-batches"),
    (skipped_above, "nothing is applied where the norm exceeds max_norm"),
    (no_step, "nothing is applied: the optimizer makes no step, or the gradients are 0"),
    (bound_scaled_too, "max_norm is multiplied by the loss scale, which the gradients do not have"),
    (never_scaled, "the loss scale is taken out twice, or of a loss without it"),
], 2))  # fmt: skip
def test_a_mistake_is_called_by_its_name(function, words):
    assert named(function) == words


def every_second(model, batches, optimizer, max_norm):
    """Clips at every second call alone: that it never clips would be false."""
    backward(model, optimizer, batches)
    optimizer.calls = getattr(optimizer, "calls", 0) + 1
    if optimizer.calls % 2:
        clip(model.parameters(), max_norm)
    optimizer.step()


def by_the_norm_before(model, batches, optimizer, max_norm):
    """Clips by the norm of the call before."""
    grads = backward(model, optimizer, batches)
    now = total(grads)
    torch._foreach_mul_(grads, min(1.0, float(max_norm / getattr(optimizer, "before", now))))
    optimizer.before = now
    optimizer.step()


@pytest.mark.parametrize("function", [every_second, by_the_norm_before])
def test_what_no_single_mistake_explains_has_no_name(function):
    assert named(function) is None
