"""What must hold of a function that performs an optimizer's step: backward over micro-batches, unscaling, clipping, stepping."""

from collections.abc import Iterable
from contextlib import nullcontext

import torch

from rnncheck.catalog.tools.step_comparisons import (
    bounded_case,
    displaced,
    plain,
    poisoned,
    remembered,
    same_direction,
    several_rows,
    told_norm,
    untouched,
    within_bound,
)
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, equal, every, fact, identical, near
from rnncheck.core.property import Family
from rnncheck.running.step_trial import Stepped, StepTrial

step = Family("step")
PASCANU = "Pascanu, Mikolov, Bengio 2013, On the difficulty of training recurrent neural networks, algorithm 1"
AMP = "torch.amp, documentation: gradient clipping, gradient accumulation"
SCALES = (1.0, 1024.0, 65536.0)


@step("formula", formula="p' = p - lr min(max_norm / |g|, 1) g", source=PASCANU, kind="differential")
def formula(trial: StepTrial) -> Observation:
    """Under SGD the parameters move by the learning rate times the clipped gradient of the whole batch."""
    return displaced(plain(trial).run)


@step("bound", formula="|p' - p| <= lr max_norm", source=PASCANU, kind="invariant", applies=bounded_case)
def bound(trial: StepTrial) -> Observation:
    """The gradient applied to all parameters together has a norm of at most max_norm."""
    return within_bound(plain(trial).run)


@step("direction", formula="p' - p = -c g, c > 0", source=PASCANU, kind="invariant")
def direction(trial: StepTrial) -> Observation:
    """Clipping keeps the direction: the applied gradient is a multiple of the whole batch's gradient."""
    return same_direction(plain(trial).run)


@step("micro_batches", formula="step([a, b]) = step([a ++ b])", source=AMP, kind="metamorphic", needs=("accumulation",),
      applies=several_rows, cost=5)  # fmt: skip
def micro_batches(trial: StepTrial) -> Observation:
    """The number of micro-batches of equal size changes nothing, whether the step clips or not."""
    rows = trial.case.rows
    cuts = sorted({(rows,), (1,) * rows, *([(rows // 2,) * 2] if rows % 2 == 0 else [])})
    found = [
        plain(trial).but(bound=bound, sizes=cut).run for bound in (0.5, 2.0) for cut in cuts
    ]  # fmt: skip
    return every(displaced(one, f"{count} micro-batches: ") for one, count in zip(found, [*map(len, cuts)] * 2, strict=True))


@step("unequal", formula="step([a, b]) = step([a ++ b]), len(a) != len(b)", kind="metamorphic", needs=("accumulation", "unequal"),
      source="huggingface/transformers#34191", cost=3)  # fmt: skip
def unequal(trial: StepTrial) -> Observation:
    """The sizes of micro-batches change nothing: each row of the whole batch counts the same."""
    return every(displaced(plain(trial).but(sizes=sizes).run, f"micro-batches of {' and '.join(map(str, sizes))} rows: ")
                 for sizes in ((3, 1), (1, 4, 2)))  # fmt: skip


@step("loss_scale", formula="step(scale s) = step(scale 1), s = 1, 2^10, 2^16, growing", source=AMP, kind="metamorphic",
      needs=("scaler",), cost=6)  # fmt: skip
def loss_scale(trial: StepTrial) -> Observation:
    """The loss scale changes nothing, and neither does a change of it between two steps."""
    scaled = {scale: plain(trial).but(scale=scale) for scale in SCALES}
    return every(
        displaced(stepped, f"scale {scale:g}, step {number}: ")
        for scale, t in scaled.items()
        for number, stepped in enumerate(t.steps(2), 1)
    )


@step("scales_agree", formula="step(scale 2^10) = step(no scaler)", source=AMP, kind="metamorphic", needs=("scaler",), cost=3)
def scales_agree(trial: StepTrial) -> Observation:
    """A step without a scaler, or with one that is not enabled, and one with a scaler give the same parameters."""
    one, other = plain(trial).but(scale=1024.0).run, plain(trial).but(scale=None).run

    def agree(name: str) -> Observation:
        right, allowed = one.right(name)
        sides = Origins("with a scaler", "without", right, allowed)
        return near(name, one.after[name].double().cpu(), other.after[name].double().cpu(), 2 * allowed, (), sides)

    return every(map(agree, one.truth.gradient))


@step("several", formula="step(step(p)) = step of a fresh run from step(p)", kind="metamorphic", cost=4,
      source="torch.optim.Optimizer.zero_grad")  # fmt: skip
def several(trial: StepTrial) -> Observation:
    """Nothing is carried over: each of three steps applies the gradient of its own batch alone."""
    return every(displaced(one, f"step {number}: ") for number, one in enumerate(plain(trial).steps(3), 1))


@step("groups", formula="|g| over all parameter groups", source=PASCANU, kind="differential", cost=3)
def groups(trial: StepTrial) -> Observation:
    """The norm is that of all parameter groups together, and each group keeps its own learning rate."""
    return displaced(plain(trial).but(groups=2, frozen=False).run)


@step("frozen", formula="p frozen: p' = p", source="torch.Tensor.requires_grad", kind="invariant", cost=3)
def frozen(trial: StepTrial) -> Observation:
    """A frozen parameter stays as it is, bit for bit, and the others move as if it were not there."""
    stepped = plain(trial).but(frozen=True).run
    still = (name for name in stepped.before if name not in stepped.truth.gradient)
    return every(identical(name, stepped.after[name], stepped.before[name]) for name in still) & displaced(stepped)


@step("momentum", formula="m' = m / 2 + min(max_norm / |g|, 1) g", source="torch.optim.SGD", kind="differential", cost=4)
def momentum(trial: StepTrial) -> Observation:
    """Momentum gathers clipped gradients, at the first step and at the second."""
    t = trial.but(optimizer="momentum")
    return every(remembered(one, "momentum", f"step {number}, ") for number, one in enumerate(t.steps(2), 1))


@step("adam", formula="m' = 0.9 m + 0.1 c, v' = 0.999 v + 0.001 c^2, c = min(max_norm / |g|, 1) g", kind="differential", cost=4,
      source="Kingma, Ba 2015, Adam; Loshchilov, Hutter 2019, AdamW")  # fmt: skip
def adam(trial: StepTrial) -> Observation:
    """AdamW and Adam see clipped gradients in both moments, at the first step and at the second."""
    t = trial if trial.case.optimizer in ("Adam", "AdamW") else trial.but(optimizer="AdamW")
    return every(remembered(one, "adam", f"step {number}, ") for number, one in enumerate(t.steps(2), 1))


@step("once", formula="optimizer.step() once a call", source="torch.optim.Adam: state step", kind="invariant", cost=4)
def once(trial: StepTrial) -> Observation:
    """One call performs one step of the optimizer, however many micro-batches it is given."""
    t = trial.but(optimizer="Adam", kernels="loop")
    session = t.session()
    made = [session.step(truth=t.truth) for _ in range(2)]
    counts = [{float(kept["step"]) for kept in one.state.values() if "step" in kept} for one in made]
    return every(
        equal(f"steps of the optimizer after call {call}", sorted(seen), [float(call)]) for call, seen in enumerate(counts, 1)
    )


@step("nonfinite", formula="g not finite: p' = p, state' = state, scale' < scale", source=AMP, kind="invariant", needs=("scaler",),
      cost=5)  # fmt: skip
def nonfinite(trial: StepTrial) -> Observation:
    """With a scaler, a gradient that is not finite skips the step and lowers the scale, and has no effect on the next step.

    Parameters and the state of the optimizer stay bit for bit.
    """
    seen = Observation()
    for optimizer in ("SGD", "AdamW"):
        t, told = trial.but(model="linear", scale=1024.0, optimizer=optimizer, kernels="loop"), f"{optimizer}: "
        session = t.session()
        right = session.step().agrees
        bad = session.step(poisoned(session))
        lower = fact(f"{told}loss scale afterwards", bad.scales[1] < bad.scales[0], bad.scales[1], f"below {bad.scales[0]:g}")
        seen &= untouched(bad, told) & lower
        if optimizer == "SGD" and right:
            seen &= displaced(session.step(), f"{told}the step after it: ")
    return seen


@step("returns_norm", formula="returned = |g|", source="torch.nn.utils.clip_grad_norm_, documentation", kind="differential",
      needs=("step_norm",), cost=3)  # fmt: skip
def returns_norm(trial: StepTrial) -> Observation:
    """The returned norm is the one before clipping, without the loss scale, over the whole batch."""
    return every(told_norm(one) for one in _scaled(plain(trial)))


def _scaled(trial: StepTrial) -> Iterable[Stepped]:
    scales = [trial.case.scale, *([1024.0] if trial.subject.offers("scaler") else [])]
    return (trial.but(scale=scale, bound=bound).run for scale in dict.fromkeys(scales) for bound in (0.5, 2.0))


@step("mode", formula="model.training: as before", source="torch.nn.Module.train", kind="invariant", cost=2)
def mode(trial: StepTrial) -> Observation:
    """The step calls the model in the mode it finds it in, train() or eval(), and leaves it in that mode."""
    seen = Observation()
    for training in (True, False):
        session = plain(trial).session()
        session.model.train(training)
        session.step(truth=plain(trial).truth)
        called = sorted({was for was, _ in session.model.seen})
        seen &= equal(f"training at the calls of a model in {'train' if training else 'eval'}()", called, [training])
        seen &= equal("training afterwards", session.model.training, training)
    return seen


@step("autocast", formula="torch.is_autocast_enabled(): as before", source="torch.autocast", kind="invariant", cost=2)
def autocast(trial: StepTrial) -> Observation:
    """The model runs under the caller's autocast, and the step leaves autocast and grad mode as they were."""
    kind = trial.case.device.partition(":")[0]

    def after(under: bool) -> Observation:
        session = plain(trial).session()
        with torch.autocast(kind, torch.bfloat16) if under else nullcontext():
            session.step(truth=plain(trial).truth)
        call, told = session.calls[-1], "under autocast" if under else "without autocast"
        on = sorted({on for _, on in call.seen})
        called = equal("autocast at the calls of the model", on, [True]) if under else Observation()
        return called & equal(f"autocast, its dtype and grad mode after a step {told}", call.left, call.around)

    return after(under=True) & after(under=False)
