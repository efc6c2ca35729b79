"""watch(optimizer=...): what an optimizer applies, and which mistake it is."""

import pytest
import torch
from torch import nn

import rnncheck
from rnncheck.runtime.contracts import ContractViolation, ContractWarning

clip = nn.utils.clip_grad_norm_
MAX_NORM = 0.25


def run(body, *, scale=None, groups=1, fused=False, steps=3, max_norm=MAX_NORM, extra=False, kind=torch.optim.SGD):
    """The findings of a small run; body(model, optimizer, scaler, backward) is one step."""
    torch.manual_seed(0)
    model, outside = nn.Linear(3, 2), nn.Parameter(torch.ones(2))
    given = [*model.parameters(), *([outside] if extra else [])]
    optimizer = kind([{"params": [p]} for p in given] if groups > 1 else given, lr=0.01, fused=fused)
    scaler = None if scale is None else torch.amp.GradScaler("cpu", init_scale=scale)
    batch = torch.randn(4, 3)

    def backward():
        loss = (10 * model(batch) * outside).square().mean()
        (loss if scaler is None else scaler.scale(loss)).backward()

    with rnncheck.watch(model, sample=1.0, policy="count", max_norm=max_norm, optimizer=optimizer, scaler=scaler) as seen:
        for _ in range(steps):
            body(model, optimizer, scaler, backward)
    assert seen.steps.looked == steps and "zero_grad" not in vars(optimizer)
    return {kind for _, kind in seen.findings}


def right(model, optimizer, scaler, backward):
    optimizer.zero_grad()
    backward()
    if scaler is not None:
        scaler.unscale_(optimizer)
    clip([p for group in optimizer.param_groups for p in group["params"]], MAX_NORM)
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update()


def scaled_bound(model, optimizer, scaler, backward):
    """Right as well: the scaler, or a fused optimizer itself, takes the scale out as it steps."""
    optimizer.zero_grad()
    backward()
    clip(model.parameters(), MAX_NORM * scaler.get_scale())
    scaler.step(optimizer)
    scaler.update()


@pytest.mark.parametrize("options", [
    {}, {"scale": 1024.0}, {"groups": 2}, {"fused": True}, {"fused": True, "scale": 1024.0}, {"kind": torch.optim.AdamW},
    {"extra": True}, {"max_norm": None},
], ids=str)  # fmt: skip
def test_a_right_loop_is_left_in_peace(options):
    assert run(right, **options) == set()


@pytest.mark.parametrize("fused", [False, True])
def test_a_bound_that_is_scaled_is_right(fused):
    assert run(scaled_bound, scale=1024.0, fused=fused) == set()


def in_a_hook(model, optimizer, scaler, backward):
    """Clips in a hook of the optimizer's own, right before the step."""
    if not optimizer._optimizer_step_pre_hooks:
        optimizer.register_step_pre_hook(lambda *args: clip(model.parameters(), MAX_NORM) and None)
    never(model, optimizer, scaler, backward)


def in_a_closure(model, optimizer, scaler, backward):
    def closure():
        optimizer.zero_grad()
        backward()
        clip(model.parameters(), MAX_NORM)

    optimizer.step(closure)


class Clips(torch.optim.AdamW):
    """An optimizer that clips by itself."""

    def step(self, closure=None):
        clip([p for group in self.param_groups for p in group["params"]], MAX_NORM)
        return super().step(closure)


def scaled_bound_in_a_hook(model, optimizer, scaler, backward):
    """A fused optimizer takes the scale out after the hook."""
    if not optimizer._optimizer_step_pre_hooks:
        optimizer.register_step_pre_hook(lambda *args: clip(model.parameters(), MAX_NORM * scaler.get_scale()) and None)
    optimizer.zero_grad()
    backward()
    scaler.step(optimizer)
    scaler.update()


@pytest.mark.parametrize(("body", "options"), [
    (scaled_bound_in_a_hook, {"fused": True, "scale": 1024.0}), (in_a_hook, {}), (in_a_hook, {"fused": True}),
    (in_a_closure, {}), (lambda *given: never(*given), {"kind": Clips}),
    (lambda *given: never(*given), {"kind": Clips, "groups": 2}),
])  # fmt: skip
def test_a_step_that_clips_by_itself_is_right(body, options):
    assert run(body, **options) == set()


class DoesNotClip(torch.optim.AdamW):
    """An optimizer with a step of its own, that does not clip."""

    def step(self, closure=None):
        return super().step(closure)


def in_a_hook_of_one(model, optimizer, scaler, backward):
    """A hook of the optimizer's own that clips the weight alone."""
    if not optimizer._optimizer_step_pre_hooks:
        optimizer.register_step_pre_hook(lambda *args: clip([model.weight], MAX_NORM) and None)
    never(model, optimizer, scaler, backward)


def in_a_closure_never(model, optimizer, scaler, backward):
    def closure():
        optimizer.zero_grad()
        backward()

    optimizer.step(closure)


def in_a_closure_late(model, optimizer, scaler, backward):
    in_a_closure_never(model, optimizer, scaler, backward)
    clip(model.parameters(), MAX_NORM)


@pytest.mark.parametrize(("body", "options", "kinds"), [
    (in_a_hook_of_one, {}, {"gradient norm"}), (in_a_closure_never, {}, {"gradient norm"}),
    (in_a_closure_late, {}, {"gradient norm", "clipped after the step"}),
    (lambda *given: never(*given), {"kind": DoesNotClip}, {"gradient norm"}),
    (lambda *given: late(*given), {"kind": DoesNotClip}, {"gradient norm", "clipped after the step"}),
])  # fmt: skip
def test_a_step_that_could_clip_and_does_not_is_found(body, options, kinds):
    assert run(body, **options) == kinds


def late(model, optimizer, scaler, backward):
    optimizer.zero_grad()
    backward()
    optimizer.step()
    clip(model.parameters(), MAX_NORM)


def early(model, optimizer, scaler, backward):
    optimizer.zero_grad()
    backward()
    clip(model.parameters(), MAX_NORM)
    scaler.step(optimizer)
    scaler.update()


def never(model, optimizer, scaler, backward):
    optimizer.zero_grad()
    backward()
    optimizer.step()


@pytest.mark.parametrize(("body", "options", "kinds"), [
    (late, {}, {"gradient norm", "clipped after the step"}), (early, {"scale": 1024.0}, {"clipped before unscaling"}),
    (never, {}, {"gradient norm"}),
])  # fmt: skip
def test_a_mistake_has_its_kind(body, options, kinds):
    assert run(body, **options) == kinds


def told(body, **options):
    """What a violation says."""

    def raising(model, optimizer, scaler, backward):
        watching = rnncheck.watch(model, sample=1.0, policy="raise", max_norm=MAX_NORM, optimizer=optimizer, scaler=scaler)
        with pytest.raises(ContractViolation) as error, watching:
            body(model, optimizer, scaler, backward)
        said.append(str(error.value))

    said = []
    run(raising, steps=1, max_norm=1e9, **options)
    return said[0]


def each_group(model, optimizer, scaler, backward):
    optimizer.zero_grad()
    backward()
    for group in optimizer.param_groups:
        clip(group["params"], MAX_NORM)
    optimizer.step()


def each_parameter(model, optimizer, scaler, backward):
    optimizer.zero_grad()
    backward()
    for p in model.parameters():
        clip(p, MAX_NORM)
    optimizer.step()


def of_the_model(model, optimizer, scaler, backward):
    optimizer.zero_grad()
    backward()
    clip(model.parameters(), MAX_NORM)
    optimizer.step()


def still_scaled(model, optimizer, scaler, backward):
    optimizer.zero_grad()
    backward()
    optimizer.step()


@pytest.mark.parametrize(("body", "options", "words"), [
    (each_group, {"groups": 2}, "each of the 2 parameter groups is within it: they are clipped separately"),
    (each_parameter, {}, "each parameter is within it: they are clipped separately"),
    (of_the_model, {"extra": True}, "1 of the optimizer's parameters are not clipped with them"),
    (still_scaled, {"scale": 1024.0}, "the loss scale 1024 is still in it: call scaler.step(optimizer)"),
], ids=lambda value: getattr(value, "__name__", None))  # fmt: skip
def test_a_violation_says_which_mistake_it_is(body, options, words):
    assert told(body, **options).endswith(words)


def test_a_gradient_that_is_not_finite_is_told_unless_the_scaler_skips_it():
    def bad(model, optimizer, scaler, backward):
        optimizer.zero_grad()
        backward()
        model.weight.grad[0, 0] = torch.inf
        optimizer.step() if scaler is None else scaler.step(optimizer)

    assert run(bad, steps=1, max_norm=None) == {"non-finite gradient"}
    with pytest.raises(AssertionError):  # no step is looked at, as the scaler makes none
        run(bad, steps=1, scale=8.0)
    assert run(bad, steps=1, scale=8.0, fused=True) == set()


def test_that_no_step_was_looked_at_is_told():
    model = nn.Linear(2, 2)
    watching = rnncheck.watch(model, max_norm=1.0, optimizer=torch.optim.SGD(model.parameters()))
    with pytest.warns(ContractWarning, match="no step of the optimizer was checked"), watching:
        model(torch.ones(1, 2))
