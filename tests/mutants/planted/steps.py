"""A clean training step in parts, the mistakes that training loops really make, and steps that are right in other ways."""

import contextlib

import torch

import rnncheck.clip
from tests.mutants.controls.correct import CORRECT, Correct
from tests.mutants.registry import Mutant, add

clip_ = torch.nn.utils.clip_grad_norm_


def parameters(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


def backward(loss, scaler):
    (loss if scaler is None else scaler.scale(loss)).backward()


def accumulate(model, batches, scaler, weight=None):
    """The gradient of the whole batch, each micro-batch weighted by its rows."""
    rows = sum(len(batch) for batch in batches)
    for batch in batches:
        backward(model(batch) * (len(batch) / rows if weight is None else weight), scaler)


def unscale(optimizer, scaler):
    if scaler is not None:
        scaler.unscale_(optimizer)


def advance(optimizer, scaler):
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update()


def step(model, batches, optimizer, max_norm, scaler=None):
    """Zero, accumulate, unscale, clip, step."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    norm = clip_(parameters(optimizer), max_norm)
    advance(optimizer, scaler)
    return norm


def plant_step(bug, kills, needs=""):
    """Declare the decorated function as a training step with this mistake."""

    def declare(target):
        add(Mutant(bug, target, "step", step, step, tuple(kills.split()), needs))
        return target

    return declare


@plant_step("own-step-clips-after-step", "step.bound step.formula", "a gradient beyond max_norm")
def clips_after_step(model, batches, optimizer, max_norm, scaler=None):
    """Clipping comes after the optimizer's step."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    advance(optimizer, scaler)
    return clip_(parameters(optimizer), max_norm)


@plant_step("own-step-clips-scaled", "step.scales_agree step.loss_scale step.formula", "a loss scale")
def clips_scaled(model, batches, optimizer, max_norm, scaler=None):
    """Gradients are clipped before the loss scale is taken out."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    norm = clip_(parameters(optimizer), max_norm)
    advance(optimizer, scaler)
    return norm


@plant_step("own-step-next-scale", "step.loss_scale step.formula", "a loss scale that changes")
def next_scale(model, batches, optimizer, max_norm, scaler=None):
    """The scale that is taken out is that of the next step."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    if scaler is None:
        clip_(parameters(optimizer), max_norm)
        optimizer.step()
        return
    finite = all(bool(p.grad.isfinite().all()) for p in parameters(optimizer) if p.grad is not None)
    scaler.update(scaler.get_scale() * (2.0 if finite else 0.5))
    for p in parameters(optimizer):
        if p.grad is not None:
            p.grad.div_(scaler.get_scale())
    clip_(parameters(optimizer), max_norm)
    if finite:
        optimizer.step()


@plant_step("own-step-clips-each-micro-batch", "step.micro_batches step.formula step.direction", "two micro-batches")
def clips_each_micro_batch(model, batches, optimizer, max_norm, scaler=None):
    """What has been accumulated is clipped after each micro-batch."""
    optimizer.zero_grad()
    rows = sum(len(batch) for batch in batches)
    for batch in batches:
        backward(model(batch) * (len(batch) / rows), scaler)
        clip_(parameters(optimizer), max_norm * (1.0 if scaler is None else scaler.get_scale()))
    unscale(optimizer, scaler)
    advance(optimizer, scaler)


@plant_step("own-step-clips-each-group", "step.groups step.formula step.bound", "two parameter groups")
def clips_each_group(model, batches, optimizer, max_norm, scaler=None):
    """Each parameter group is clipped by itself."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    for group in optimizer.param_groups:
        clip_(group["params"], max_norm)
    advance(optimizer, scaler)


@plant_step("own-step-clips-each-parameter", "step.direction step.formula step.bound", "two parameters")
def clips_each_parameter(model, batches, optimizer, max_norm, scaler=None):
    """Each parameter is clipped by itself."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    for p in parameters(optimizer):
        clip_(p, max_norm)
    advance(optimizer, scaler)


@plant_step("own-step-zero-grad-forgotten", "step.several step.momentum step.adam", "a second step")
def zero_grad_forgotten(model, batches, optimizer, max_norm, scaler=None):
    """Gradients of the step before are still there."""
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    norm = clip_(parameters(optimizer), max_norm)
    advance(optimizer, scaler)
    return norm


@plant_step("own-step-last-micro-batch", "step.formula step.micro_batches", "two micro-batches")
def last_micro_batch(model, batches, optimizer, max_norm, scaler=None):
    """zero_grad() within the loop over micro-batches leaves the last alone."""
    for batch in batches:
        optimizer.zero_grad()
        backward(model(batch), scaler)
    unscale(optimizer, scaler)
    clip_(parameters(optimizer), max_norm)
    advance(optimizer, scaler)


@plant_step("own-step-mean-of-means", "step.unequal", "micro-batches of unequal sizes")
def mean_of_means(model, batches, optimizer, max_norm, scaler=None):
    """The means of micro-batches of unequal sizes count the same (huggingface/transformers#34191)."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler, weight=1 / len(batches))
    unscale(optimizer, scaler)
    clip_(parameters(optimizer), max_norm)
    advance(optimizer, scaler)


@plant_step(
    "own-step-adds-micro-batches", "step.micro_batches step.formula step.returns_norm", "two micro-batches, within max_norm"
)
def adds_micro_batches(model, batches, optimizer, max_norm, scaler=None):
    """The micro-batches' gradients are added, where they should be averaged."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler, weight=1.0)
    unscale(optimizer, scaler)
    norm = clip_(parameters(optimizer), max_norm)
    advance(optimizer, scaler)
    return norm


@plant_step("own-step-clips-by-value", "step.direction step.formula step.bound", "a gradient beyond max_norm")
def clips_by_value(model, batches, optimizer, max_norm, scaler=None):
    """Each number is clipped, instead of the norm."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    torch.nn.utils.clip_grad_value_(parameters(optimizer), max_norm)
    advance(optimizer, scaler)


@plant_step("own-step-scales-up", "step.formula step.micro_batches", "a gradient within max_norm")
def scales_up(model, batches, optimizer, max_norm, scaler=None):
    """Gradients within the bound are scaled up to it."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters(optimizer)])
    if max_norm < float("inf"):
        for p in parameters(optimizer):
            p.grad.mul_(max_norm / norm)
    advance(optimizer, scaler)


@plant_step("own-step-clips-the-update", "step.momentum step.adam", "momentum")
def clips_the_update(model, batches, optimizer, max_norm, scaler=None):
    """What is clipped is the change of the parameters: momentum gathers gradients as large as they come."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    before = [p.detach().clone() for p in parameters(optimizer)]
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters(optimizer)])
    advance(optimizer, scaler)
    factor = torch.clamp(max_norm / norm, max=1.0).nan_to_num(1.0)
    with torch.no_grad():
        for p, old in zip(parameters(optimizer), before, strict=True):
            if factor < 1:
                p.copy_(old + (p - old) * factor)


@plant_step("own-step-steps-each-micro-batch", "step.once step.micro_batches", "two micro-batches")
def steps_each_micro_batch(model, batches, optimizer, max_norm, scaler=None):
    """The optimizer makes a step for each micro-batch."""
    rows = sum(len(batch) for batch in batches)
    for batch in batches:
        optimizer.zero_grad()
        backward(model(batch) * (len(batch) / rows), scaler)
        unscale(optimizer, scaler)
        clip_(parameters(optimizer), max_norm)
        advance(optimizer, scaler)


@plant_step("own-step-does-not-skip", "step.nonfinite", "a gradient that is not finite, a loss scale")
def does_not_skip(model, batches, optimizer, max_norm, scaler=None):
    """The optimizer makes its step whatever the scaler has found."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    norm = clip_(parameters(optimizer), max_norm)
    optimizer.step()
    if scaler is not None:
        scaler.update()
    return norm


@plant_step("own-step-keeps-the-scale", "step.nonfinite", "a gradient that is not finite, a loss scale")
def keeps_the_scale(model, batches, optimizer, max_norm, scaler=None):
    """The scale is never lowered."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    norm = clip_(parameters(optimizer), max_norm)
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update(scaler.get_scale())
    return norm


@plant_step("own-step-returns-norm-after", "step.returns_norm", "a gradient beyond max_norm")
def returns_norm_after(model, batches, optimizer, max_norm, scaler=None):
    """The returned norm is that after clipping."""
    step(model, batches, optimizer, max_norm, scaler)
    return torch.nn.utils.get_total_norm([p.grad for p in parameters(optimizer) if p.grad is not None])


@plant_step("own-step-returns-scaled-norm", "step.returns_norm", "a loss scale")
def returns_scaled_norm(model, batches, optimizer, max_norm, scaler=None):
    """The returned norm has the loss scale in it."""
    scale = 1.0 if scaler is None else scaler.get_scale()
    return step(model, batches, optimizer, max_norm, scaler) * scale


@plant_step("own-step-sets-train", "step.mode", "a model in eval()")
def sets_train(model, batches, optimizer, max_norm, scaler=None):
    """The model is put into train() before each step, whatever it was in."""
    model.train()
    return step(model, batches, optimizer, max_norm, scaler)


@plant_step("own-step-leaves-autocast", "step.autocast", "autocast around the step")
def leaves_autocast(model, batches, optimizer, max_norm, scaler=None):
    """Autocast is switched off for the model."""
    with torch.autocast("cpu", enabled=False):
        return step(model, batches, optimizer, max_norm, scaler)


@plant_step("own-step-autocast-stays", "step.autocast", "no autocast around the step")
def autocast_stays(model, batches, optimizer, max_norm, scaler=None):
    """Autocast is switched on, and never off."""
    norm = step(model, batches, optimizer, max_norm, scaler)
    torch.autocast("cpu", torch.bfloat16).__enter__()
    return norm


@plant_step("own-step-grad-stays-off", "step.autocast", "any step")
def grad_stays_off(model, batches, optimizer, max_norm, scaler=None):
    """Gradients are switched on for the step, and off afterwards."""
    with torch.enable_grad():
        norm = step(model, batches, optimizer, max_norm, scaler)
    torch.set_grad_enabled(False)
    return norm


@plant_step("own-step-thaws", "step.frozen", "a frozen parameter")
def thaws(model, batches, optimizer, max_norm, scaler=None):
    """Every parameter is made to require gradients, and is moved along."""
    optimizer.zero_grad()
    frozen = [p for p in model.parameters() if not p.requires_grad]
    model.requires_grad_(True)
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    norm = clip_(model.parameters(), max_norm)
    advance(optimizer, scaler)
    with torch.no_grad():
        for p in frozen:
            if p.grad is not None:
                p.add_(p.grad / (1.0 if scaler is None else scaler.get_scale()), alpha=-0.5)
            p.requires_grad_(False)
            p.grad = None
    return norm


# steps that are right ---------------------------------------------------------------------------------------------------


def zero_after(model, batches, optimizer, max_norm, scaler=None):
    """Gradients are set to zero, not to None, after the step; the clip function is ours."""
    accumulate(model, batches, scaler)
    unscale(optimizer, scaler)
    rnncheck.clip.clip_grad_norm_(parameters(optimizer), max_norm)
    advance(optimizer, scaler)
    optimizer.zero_grad(set_to_none=False)


def sums_then_divides(net, micro_batches, opt, clip, grad_scaler=None):
    """Sums are accumulated, and divided once; other names; the model's own zero_grad."""
    net.zero_grad()
    for batch in micro_batches:
        backward(net(batch) * len(batch), grad_scaler)
    unscale(opt, grad_scaler)
    for p in net.parameters():
        if p.grad is not None:
            p.grad /= sum(map(len, micro_batches))
    total = clip_(net.parameters(), clip, foreach=False)
    advance(opt, grad_scaler)
    return {"grad_norm": total.item(), "lr": 0.5}


def one_batch(model, batch, optimizer, max_norm):
    """One batch, no scaler, and the loss is returned."""
    optimizer.zero_grad()
    loss = model(batch)
    loss.backward()
    clip_(model.parameters(), max_norm, foreach=True)
    optimizer.step()
    return loss.item()


def summed(model, batches, optimizer, max_norm, scaler, loss):
    """Losses are sums, a scaler is always there, and the loss is a function that is passed."""
    optimizer.zero_grad()
    for batch in batches:
        scaler.scale(loss(model, batch)).backward()
    scaler.unscale_(optimizer)
    norm = clip_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return norm


summed.rnncheck_claims = {"sum_losses": True}


def equal_sizes(model, batches, optimizer, max_norm, scaler=None):
    """Means of means, where batches of unequal sizes are not offered; autocast of its own."""
    optimizer.zero_grad()
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(batch) / len(batches)
        backward(loss, scaler)
    unscale(optimizer, scaler)
    clip_(model.parameters(), max_norm)
    advance(optimizer, scaler)


equal_sizes.rnncheck_claims = {"unequal": "micro-batches have one size"}


def unscales_by_hand(model, batches, optimizer, max_norm, scaler=None):
    """The bound is scaled instead of the gradient: the scaler takes the scale out as it makes the step."""
    optimizer.zero_grad()
    accumulate(model, batches, scaler)
    clip_(model.parameters(), max_norm * (1.0 if scaler is None else scaler.get_scale()))
    advance(optimizer, scaler)


def by_closure(m, data, o, c, scaler=None):
    """Names that say nothing: places do; the optimizer is called with a closure where there is no scaler."""
    rows = sum(map(len, data))

    def closure():
        o.zero_grad()
        with contextlib.nullcontext():
            loss = sum(m(batch) * len(batch) for batch in data) / rows
        backward(loss, scaler)
        if scaler is None:
            clip_(parameters(o), c)
        return loss

    if scaler is None:
        o.step(closure)
        return
    closure()
    scaler.unscale_(o)
    clip_(parameters(o), c)
    advance(o, scaler)


RIGHT = (step, zero_after, sums_then_divides, one_batch, summed, equal_sizes, unscales_by_hand, by_closure)
CORRECT |= {f"step-{target.__name__}": Correct(target, step, "step", ()) for target in RIGHT}
