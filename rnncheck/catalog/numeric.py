"""What must hold of numbers at the edge: long sequences, NaN and inf, very large and very small values."""

from collections.abc import Iterator

import torch
from torch import Tensor

from rnncheck.catalog.tools.conditions import (
    all_mixed,
    at_least,
    deterministic,
    differentiable,
    hx_given,
    on_cuda,
    padded,
    saturating,
)
from rnncheck.catalog.tools.designed_weights import settable_shapes
from rnncheck.catalog.tools.moderate import reached_state
from rnncheck.core.observation import Observation, both, every, identical
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.core.subject import NotClaimed
from rnncheck.running.trial import Trial

numeric = Family("numeric")


def finite(what: str, tensor: Tensor, axes: tuple[str, ...] = ()) -> Observation:
    """No NaN and no inf."""
    return identical(f"{what} is finite", tensor.isfinite(), torch.ones_like(tensor, dtype=torch.bool), axes)


def moderate_parameters(trial: Trial) -> dict[str, Tensor]:
    """Moderate weights; rows of weight_hh have an absolute sum of 1/2, so that nothing grows for ever.

    Those of a recurrence of its own are as its constructor leaves them: in others it may grow, however right it is.
    """
    if not trial.subject.offers("load"):
        return {name: value.detach().clone() for name, value in trial.anew(trial.config).parameters().items()}

    def moderate(name: str, shape: tuple[int, ...]) -> Tensor:
        drawn = trial.like(trial.x.new_empty(shape), f"moderate {name}", 0.5 * shape[-1] ** -0.5)
        return drawn / (2 * drawn.abs().sum(1, keepdim=True)) if name.startswith("weight_hh") else drawn

    return {name: moderate(name, shape) for name, shape in settable_shapes(trial, trial.config).items()}


def long(trial: Trial) -> Trial:
    """Some hundred steps, up to 2000, of moderate values, through one layer (an instance: through all that it has).

    Where only the last output comes back, each step is a call of all before it: there they are 125.
    """
    time = 125 * 2 ** (0 if trial.subject.nature.get("last") else trial.draw("time", 0, 4))
    config = trial.subject.fixed or trial.config.but(num_layers=1, dropout=0.0)
    lengths = trial.lengths and tuple(max(1, n * time // trial.time) for n in trial.lengths)
    x = trial.like(trial.x.new_empty(time, trial.batch, config.input_size), "moderate x")
    bare = trial.but(x=x, state=None, lengths=lengths, config=config)
    return bare.but(state=trial.state and _moderate_state(bare), parameters=moderate_parameters(bare))


def _moderate_state(bare: Trial) -> tuple[Tensor, ...]:
    """Moderate numbers, or what is reached in a step."""
    reached = reached_state(bare)
    if reached is not None:
        return reached
    drawn = (bare.like(part, f"moderate state {k}") for k, part in enumerate(bare.zero_state()))
    return tuple(map(bare.within_bounds, drawn))


def finite_gradients(trial: Trial) -> Observation:
    """The gradients of a mean over time are finite."""
    weights = Run(*(trial.like(part, f"cotangent of {name}") / trial.time for name, part in trial.run.parts()))
    gradients = trial.gradients(weights)
    return every(finite(f"gradient of {name}", g) for name, g in gradients.items() if g is not None)


@numeric(
    "finite",
    formula="finite x, moderate weights: y, h_n, c_n are finite, time up to 2000",
    kind="invariant",
    source="muditbhargava66/PyxLSTM#15: NaN after some hundred steps",
    applies=at_least(time=1),
    cost=400,
)
def finite_output(trial: Trial) -> Observation:
    """Finite input and moderate weights give finite output and states, over up to 2,000 steps."""
    run = long(trial).run
    require_moderate(trial, run)
    return every(finite(name, part, Run.AXES[name]) for name, part in run.parts())


def require_moderate(trial: Trial, run: Run) -> None:
    """Raise NotClaimed where a recurrence of its own leaves the range as one that is not stable does: step by step.

    Such as a delta rule whose keys are not of length 1. What overflows on the way to moderate numbers gives them up to one step,
    and none at the next.
    """
    size = run.output.detach().abs().amax(-1).double()
    grown = torch.where(size.isfinite(), size, 0).amax(0) > torch.finfo(run.output.dtype).max ** 0.5
    lost = torch.stack([~part.isfinite().all(-1).all(0) for _, part in run.parts() if len(part)]).any(0)
    if trial.subject.of_its_own and bool(lost.any()) and bool(grown[lost].all()):
        raise NotClaimed("its numbers grow from step to step until they leave the range")


@numeric(
    "finite_gradient",
    formula="finite x, moderate weights: gradients are finite, time up to 2000",
    kind="invariant",
    source="Pascanu et al. 2013: exploding gradients",
    applies=differentiable & at_least(time=1),
    cost=800,
)
def finite_gradient(trial: Trial) -> Observation:
    """Finite input and moderate weights give finite gradients, over up to 2,000 steps."""
    steps = long(trial)
    require_moderate(trial, steps.run)
    return finite_gradients(steps)


def reached(trial: Trial, step: int, row: int) -> Run:
    """What the input of this step and sequence may influence: booleans in the shape of a run."""
    config, lengths = trial.config, torch.tensor(trial.lengths or [trial.time] * trial.batch)
    inside = torch.arange(trial.time)[:, None] < lengths
    x = torch.zeros_like(inside)
    x[step, row] = True
    states = []
    for _ in range(config.num_layers):
        later, earlier = x.cumsum(0) > 0, x.flip(0).cumsum(0).flip(0) > 0
        outputs = [seen & inside for seen in (later, earlier)[: config.directions]]
        states += [output.any(0) for output in outputs]
        x = torch.stack(outputs).any(0)
    output = torch.cat([seen[..., None].expand(-1, -1, config.state_size) for seen in outputs], dim=-1)
    h_n = torch.stack(states)[..., None]
    return Run(output, *(h_n.expand(-1, -1, size) for size in config.state_sizes.values()))


STEPS = (65_535, 65_536)
SETTLED = 1200
"""Steps after which nothing is left of the initial state."""


@numeric(
    "many_steps",
    formula="x periodic: f(x[:65,535]) and f(x[:65,536]) end as f(x[:n]) does, n small",
    kind="metamorphic",
    cost=3000,
    source="cuDNN: time above 65,535; pytorch/pytorch#133751",
    applies=deterministic & padded & at_least(time=2, batch=1) & on_cuda,
    needs=("load",),
)
def many_steps(trial: Trial) -> Observation:
    """Results stay right beyond 65,535 steps: a periodic input ends as it does in a short sequence."""
    t = trial.but(training=False, layout="contiguous", parameters=moderate_parameters(trial))

    def repeated(steps: int) -> Trial:
        return t.but(x=t.x.repeat(1 + steps // t.time, 1, 1)[-steps:])

    def ends_alike(steps: int) -> Observation:
        short = repeated(steps - (steps - SETTLED) // t.time * t.time)
        allowed = _end(short.budget.twice, t.time)
        ends = _end(repeated(steps).run, t.time), _end(short.run, t.time)
        return both(*ends, allowed, f"{steps} steps: ", ("here", "after few steps"))

    return every(map(ends_alike, STEPS))


def _end(run: Run, steps: int) -> Run:
    """The last steps of a run, and its states."""
    return Run(run.output[-steps:], *run.state)


@numeric(
    "nan_stays",
    formula="isnan(f(x with NaN at (s, b))) ≡ what (s, b) may reach; all else ≡ f(x)",
    kind="metamorphic",
    source="IEEE 754",
    applies=deterministic & at_least(time=1, batch=1) & all_mixed,
    needs=("equations",),
    cost=4,
)
def nan_stays(trial: Trial) -> Observation:
    """A NaN in the input reaches exactly the outputs and states that depend on it; an inf reaches no others.

    Another recurrence than torch's may go unit by unit, and may forget.
    NaN never vanishes; an inf may, since a gate saturates. All other results are the same, bit for bit, as without them.
    """
    row = trial.draw("row", 0, trial.batch - 1)
    step = trial.draw("step", 0, (trial.lengths[row] if trial.lengths else trial.time) - 1)
    feature = trial.draw("feature", 0, trial.config.input_size - 1)
    plain, reach = trial.but(layout="contiguous"), dict(reached(trial, step, row).parts())

    def with_value(value: float) -> Iterator[tuple[str, Tensor, Tensor]]:
        x = plain.x.clone()
        x[step, row, feature] = value
        for (name, part), (_, before) in zip(plain.but(x=x).run.parts(), plain.run.parts(), strict=True):
            if name == "output" or len(part):
                yield name, part, before.masked_fill(reach[name].to(x.device), value)

    what, nan, inf = f"step {step} of sequence {row}", float("nan"), float("inf")
    return every(
        identical(f"{name}, {what} NaN", part, expected, Run.AXES[name]) for name, part, expected in with_value(nan)
    ) & every(
        identical(f"{name} out of reach, {what} inf", part.masked_fill(reach[name], inf), expected, Run.AXES[name])
        for name, part, expected in with_value(inf)
    )


@numeric(
    "nan_in_state",
    formula="h_0[0, b] = NaN: h_n[0, b] = NaN; c_0[0, b, i] = NaN: c_n[0, b, i] = NaN; all other rows ≡ f(x)",
    kind="metamorphic",
    source="IEEE 754",
    applies=deterministic & hx_given & at_least(time=1, batch=1),
    needs=("equations",),
    cost=2,
)
def nan_in_state(trial: Trial) -> Observation:
    """A NaN in one sequence's initial state does not vanish, and reaches no other sequence.

    In h it reaches every unit with the first step through U, for even 0 * NaN is NaN; another recurrence may go unit by unit.
    In c it stays in its unit, whatever else it reaches.
    """
    row, plain = trial.draw("row", 0, trial.batch - 1), trial.but(layout="contiguous")

    def stays(place: int, what: str) -> Observation:
        state = [part.clone() for part in plain.given_state]
        unit = trial.draw("unit", 0, state[place].shape[2] - 1)
        state[place][0, row, unit] = float("nan")
        found, expected = (t.run.state[place][:1] for t in (plain.but(state=tuple(state)), plain))
        reached = expected.clone()
        reached[:, row] = float("nan") if what == "h" else found[:, row]
        reached[:, row, unit] = float("nan")
        return identical(f"{what}_n of the first layer, a NaN in {what}_0 of sequence {row}", found, reached, Run.AXES["h_n"])

    return every(stays(place, what) for place, what in enumerate("hc"[: len(plain.given_state)]))


def largest(trial: Trial) -> float:
    """1e4, or what the dtype can take: no sum of products of such weights and inputs overflows."""
    config = trial.config
    width = max(config.input_size, config.hidden_size, config.output_size)
    return float(min(1e4, (torch.finfo(trial.case.torch_dtype).max / 16) ** 0.5 / width))


@numeric(
    "extreme",
    formula="x, W up to 1e4, x tiny, subnormal or -0: y, h_n, c_n finite and true",
    kind="differential",
    source="exp overflows in a sigmoid or tanh written out; IEEE 754: gradual underflow",
    applies=deterministic & at_least(time=1),
    cost=20,
)
def extreme(trial: Trial) -> Observation:
    """Very large and very small input, also with very large weights, gives no NaN and the right results; -0 acts as 0.

    With relu, results may grow beyond all bounds and need not be finite. With subnormal input they need only be finite.
    """
    reached = trial.state and reached_state(trial)
    trial = trial.but(state=reached) if reached else trial
    x, parameters, large = trial.x, trial.parameters, largest(trial)
    heavy = {name: trial.like(p, f"heavy {name}", large) for name, p in parameters.items()}
    drawn = (trial.like(part, f"large hx {k}", large) for k, part in enumerate(trial.state or ()))
    state = trial.state and (tuple(large * part for part in reached) if reached else tuple(drawn))
    unbiased = {name: torch.zeros_like(p) if p.dim() == 1 else p for name, p in parameters.items()}
    faint = trial.but(state=trial.state and trial.zero_state(), parameters=unbiased)
    subnormal = faint.but(x=trial.like(x, "subnormal x", torch.finfo(x.dtype).tiny / 4))
    runs = {
        "large x: ": trial.but(x=trial.like(x, "large x", large)),
        "large hx: ": trial.but(state=state),
        "large x and weights: ": trial.but(x=trial.like(x, "large x", large), parameters=heavy),
        "x around 1e-7: ": faint.but(x=trial.like(x, "small x", 1e-7)),
    }
    zeros, minus_zeros = trial.but(x=torch.zeros_like(x)).run, trial.but(x=-torch.zeros_like(x)).run
    bounded = {"subnormal x: ": subnormal, **runs} if saturating(trial.case) else {}
    return every([
        both(minus_zeros, zeros, 0.0, "x = -0 instead of 0: ", ("of -0", "of 0")),
        *(finite(what + name, part, Run.AXES[name]) for what, t in bounded.items() for name, part in t.run.parts()),
        *(t.is_true(what) for what, t in runs.items()),
    ])  # fmt: skip


@numeric(
    "extreme_gradient",
    formula="x up to 1e4, moderate weights: gradients are finite",
    kind="invariant",
    cost=6,
    source="torch.where passes a NaN gradient on from the branch that it does not take",
    applies=differentiable & deterministic & saturating & at_least(time=1),
)
def extreme_gradient(trial: Trial) -> Observation:
    """Gradients stay finite where very large input saturates the gates."""
    state = trial.state and _moderate_state(trial)
    large = trial.like(trial.x, "large x", largest(trial))
    return finite_gradients(trial.but(x=large, state=state, parameters=moderate_parameters(trial)))
