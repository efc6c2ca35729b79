"""Hand-made situations of what happens between a call and its backward."""

import torch

from tests.mutants.observations.situations import attempt, flat, hx_of, loss, results, situation, values, x_of


def gradients(total, layer, x):
    return torch.autograd.grad(total, [x, *layer.parameters()], allow_unused=True, materialize_grads=True)


@situation
def a_loss_of_the_sum(new):
    """Its gradient arrives expanded."""
    layer, x = new(), x_of().requires_grad_()
    yield from gradients(results(layer, x)[0].sum(), layer, x)


@situation
def incoming_gradients_are_the_callers(new):
    layer, x = new(), x_of().requires_grad_()
    parts = results(layer, x)
    incoming = [values(part.shape, f"incoming {k}") for k, part in enumerate(parts)]
    torch.autograd.grad(parts, [x], incoming)
    yield from incoming


@situation
def two_calls_open(new):
    layer, x, other = new(), x_of().requires_grad_(), (1 - x_of()).requires_grad_()
    first, second = loss(results(layer, x)), loss(results(layer, other))
    yield from gradients(first, layer, x)
    yield from gradients(second, layer, other)


@situation
def a_weight_changed_before_backward(new):
    layer, x = new(), x_of().requires_grad_()
    total = loss(results(layer, x))
    with torch.no_grad():
        layer.weight_hh_l0.add_(1.0)
    yield attempt(lambda: ["gradients" for _ in gradients(total, layer, x)][:1])


@situation
def frozen_then_unfrozen(new):
    layer, x = new(), x_of().requires_grad_()
    layer.requires_grad_(False)
    results(layer, x, hx_of(layer))
    layer.requires_grad_(True)
    yield from gradients(loss(flat(results(layer, x))), layer, x)
