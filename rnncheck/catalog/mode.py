"""What must hold of train and eval, of dropout, and of random numbers."""

import random
from typing import Any

import torch
from torch import Tensor

from rnncheck.backend.torch_state import flags
from rnncheck.catalog.tools import gradients
from rnncheck.catalog.tools.conditions import anywhere, at_least, deterministic, has_dropout
from rnncheck.catalog.tools.deeds import calls_that_differ
from rnncheck.catalog.tools.dropout_counts import LOCKED, dropout_in_calls
from rnncheck.catalog.tools.dropout_masks import as_it_should, panes
from rnncheck.catalog.tools.finite_differences import as_differences, in_double, loss
from rnncheck.core.observation import Observation, both, equal, every, identical, near
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.same_start import numbers_of, take_over
from rnncheck.running.trial import SubjectError, Trial, seeded

mode = Family("mode")


@mode(
    "repeatable",
    formula="f(x); f(x'); f(x) ≡ f(x), under dropout after the same manual_seed",
    kind="metamorphic",
    source="torch.manual_seed; pytorch/pytorch#74177",
    applies=anywhere,
    cost=5,
)
def repeatable(trial: Trial) -> Observation:
    """Repeating a call gives the same result, bit for bit, however often and whatever was called in between.

    Where dropout is active, the random state is set to the same seed before each call.
    """

    def again(call: int) -> Observation:
        shorter = trial.lengths and tuple(min(n, call) for n in trial.lengths)
        trial.but(x=trial.x[:call], lengths=shorter).call_on(trial.layer)
        with seeded(trial.case.seed, trial.case.device):
            run = trial.run_on(trial.layer)
        return trial.identical(run, trial.run, f"call {call}: ", ("here", "from a new layer"))

    drawn = Observation()
    if trial.case.dropout_active:
        given = (*trial.arguments, trial.case.seed, CALLS)
        drawn = equal(
            "calls after the same manual_seed that are not the first", trial.do(calls_that_differ, trial.layer, *given), []
        )
    return drawn & every(again(call) for call in (1, 2, 3))


CALLS = 8
"""Calls within which a random number that no seed controls shows."""


@mode(
    "eval_ignores_dropout",
    formula="eval(f)(x) = truth without dropout, after train(f)(x'), train(f)(x)",
    kind="metamorphic",
    source="torch.nn.Dropout; NVIDIA/Megatron-LM#411",
    applies=has_dropout,
    needs=("training", "dropout"),
    cost=4,
)
def eval_ignores_dropout(trial: Trial) -> Observation:
    """In eval mode dropout does nothing, even after training calls of the same and of other shapes."""
    loud, quiet = trial.but(training=True), trial.but(training=False)
    layer = quiet.build()
    layer.train(True)
    one_step = trial.lengths and (1,) * trial.batch
    for practice in (loud, loud.but(x=trial.x[:1], lengths=one_step), loud):
        practice.call_on(layer)
    layer.train(False)
    budget = quiet.budget
    return both(quiet.run_on(layer), budget.truth, budget.allowed)


@mode(
    "dropout_of_one_layer",
    formula="eval(f with dropout 1/2)(x) = eval(f with dropout 0)(x)",
    kind="metamorphic",
    source="torch.nn.functional.dropout: training=True by default",
    applies=deterministic,
    needs=("training", "module"),
    cost=4,
)
def dropout_of_one_layer(trial: Trial) -> Observation:
    """In eval mode a layer that takes a dropout, and is one layer, gives what it gives without dropout."""
    if trial.subject.offers("dropout"):
        raise NotClaimed("its dropout acts between layers: see mode.eval_ignores_dropout")
    if trial.subject.fixed is not None:
        raise NotClaimed("an object is copied, not built anew")
    quiet = trial.but(training=False)
    layer, half = quiet.build(), quiet.anew(trial.config.but(dropout=0.5))
    take_over(half, numbers_of(layer))
    half.train(False)
    return quiet.same(quiet.run_on(half), sides=("with dropout 0.5", "with dropout 0"), other=quiet.run_on(layer))


IN_VAIN = "drawn without effect: "
"""Begins the lines of random numbers of which no result shows anything."""


@mode(
    "rng",
    convention="a call draws random numbers that no result shows",
    lenient=f"^{IN_VAIN}",
    formula="random state before f(x) ≡ random state after",
    kind="invariant",
    applies=deterministic,
    cost=1,
    source="torch.random",
)
def rng(trial: Trial) -> Observation:
    """Without active dropout, a call consumes no random numbers."""
    seen = trial.do(random_states_around, trial.layer, *trial.arguments)
    drawn = any(not torch.equal(seen["after"][name], was) for name, was in seen["before"].items())
    why = IN_VAIN if drawn and _draws_in_vain(trial) else ""
    return every(identical(f"{why}state of {name}", seen["after"][name], was, ["word"]) for name, was in seen["before"].items())


def _draws_in_vain(trial: Trial) -> bool:
    """Whether a new layer gives the same results whatever random numbers a call draws, and sets no seed of its own."""

    def at(seed: int) -> tuple[Run, Tensor]:
        layer = trial.build()
        with seeded(seed, trial.case.device):
            return trial.run_on(layer), torch.get_rng_state()

    (one, after), (other, later) = at(1), at(2)
    return both(one, other, 0.0).same_bits and not torch.equal(after, later)


def random_states_around(layer: Layer, x: Any, hx: Any) -> dict[str, dict[str, Tensor]]:
    """Return the state of each random generator that a call might draw from, before a call and after it."""
    before = random_states(x.data.device)
    layer(x, hx)
    return {"before": before, "after": random_states(x.data.device)}


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Return the state of torch's generators and of Python's."""
    states = {"torch's generator": torch.get_rng_state(), "Python's random": torch.tensor(random.getstate()[1])}
    return states | ({f"the generator of {device}": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


@mode(
    "settings",
    formula="torch's settings before f(x) ≡ after, also where f refuses",
    kind="invariant",
    source="torch.set_default_dtype, torch.set_grad_enabled, torch.set_float32_matmul_precision, random.seed",
    applies=anywhere,
    cost=2,
)
def settings(trial: Trial) -> Observation:
    """A call, even one of wrong sizes, leaves torch's settings as they were, and does not seed Python's random numbers."""
    seen = trial.do(settings_around, trial.layer, *trial.arguments, of_another_size(trial), trial.case.seed)
    return every(equal(name, now, seen["before"][name]) for name, now in seen["after"].items())


def settings_around(layer: Layer, x: Any, hx: Any, refused: tuple[tuple[Any, Any], ...], seed: int) -> dict[str, dict[str, Any]]:
    """Return torch's settings before some calls and after, and whether they seed Python's random numbers."""
    before, python = flags(), random.getstate()
    behind = []
    try:
        for start in (seed, seed + 1):  # behind a call that seeds them, they are the same whatever they were
            random.seed(start)
            layer(x, hx)
            for wider, state in refused:
                try:
                    layer(wider, state)
                except BaseException as error:  # whether it refuses is another property's
                    if isinstance(error, KeyboardInterrupt):
                        raise
            behind.append(random.getstate())
    finally:
        random.setstate(python)
    return {
        "before": {**before, "Python's random numbers": "not seeded"},
        "after": {**flags(), "Python's random numbers": "seeded" if behind[0] == behind[1] else "not seeded"},
    }


def of_another_size(trial: Trial) -> tuple[tuple[Any, tuple[Tensor, ...] | None], ...]:
    """The call's arguments with an input of one feature more, and with a state of one feature more: both to be refused."""
    wider_x = torch.cat([trial.x, trial.x[..., :1]], dim=-1)
    wider_state = trial.map_state(lambda part: torch.cat([part, part[..., :1]], dim=-1))
    return (trial.lay_out(wider_x, trial.state), *([trial.lay_out(trial.x, wider_state)] if wider_state else []))


@mode(
    "dropout_between_layers",
    formula="x_(l+1) = y_l * m / (1 - p), m ~ Bernoulli(1 - p), always anew",
    kind="invariant",
    source="torch.nn.LSTM: dropout; tensorflow/tensorflow#29391, pytorch/pytorch#189285",
    applies=has_dropout,
    needs=("training", "dropout", "load"),
    convention="dropout has one mask for all steps of a sequence, as in variational dropout",
    lenient=f"^{LOCKED}",
    cost=30,
)
def dropout_between_layers(trial: Trial) -> Observation:
    """Dropout acts between layers and nowhere else, scaled by 1 / (1 - p) and drawn anew for every value at every call.

    How often it drops is put to an exact binomial test at 1e-9, on the first, the second, a call after eval, one without gradients.
    Where all steps share a mask, that is said, and the test is of the first step.
    """
    glass = panes(trial)
    config = glass.config
    told = (trial.case.seed, config.num_layers, config.directions, 1 - config.dropout, config.batch_first)
    seen = glass.do(dropout_in_calls, glass.layer, *glass.arguments, *told)
    locked = equal(LOCKED, seen["locked"], False)
    return first_layer_as_without(trial) & as_it_should(glass, seen) & locked


def first_layer_as_without(trial: Trial) -> Observation:
    """The first layer's final state, on the case's own data, is the one without dropout, in train() too."""
    loud, budget, states = trial.but(training=True), trial.but(training=False).budget, trial.config.directions
    h_n, truth, allowed = loud.run.h_n[:states], budget.truth.h_n[:states], budget.allowed.h_n[:states]
    return near("h_n of the first layer in train()", h_n, truth, allowed, Run.AXES["h_n"])


ENOUGH = 8
"""The number of masks in turn that are not the same by chance."""


@mode(
    "dropout_gradient",
    formula="<d f, v> = (f(x + e v) - f(x - e v)) / 2e, all under the same masks",
    kind="derivative",
    source="torch.utils.checkpoint: preserve_rng_state",
    applies=has_dropout & at_least(batch=1),
    needs=("training", "dropout", "float64"),
    cost=20,
)
def dropout_gradient(trial: Trial) -> Observation:
    """Backward goes through exactly the values that dropout kept in the forward pass."""

    loud = in_double(trial.but(training=True))
    seed = trial.case.seed + 1  # not what a backward that draws again would begin with
    if loud.do(calls_that_differ, loud.layer, *loud.arguments, seed, ENOUGH):
        raise NotClaimed("the same seed does not give the same mask again")
    return as_differences(loud, loss_under_one_mask, "loss under dropout", more=seed)


def loss_under_one_mask(layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor], seed: int) -> Tensor:
    """Return the weighted sum of a call's results, its dropout drawn from this seed."""
    torch.manual_seed(seed)
    return loss(layer, x, hx, weights, seed)


@mode(
    "all_dropped",
    formula="x_(l+1) = 0 where dropout = 1",
    kind="differential",
    source="torch.nn.functional.dropout: p in [0, 1]",
    applies=has_dropout,
    needs=("training", "dropout", "load"),
    convention="with dropout 1 the results are NaN, not those for zeros",
    lenient=": nan, but",
    cost=8,
)
def all_dropped(trial: Trial) -> Observation:
    """With dropout 1, every layer above the first gets zeros: results and gradients are finite and match those for zeros."""
    loud = trial.but(config=trial.config.but(dropout=1.0), training=True)
    try:
        _ = loud.layer
    except SubjectError as error:
        if isinstance(error.cause, ValueError | AssertionError):
            raise NotClaimed(f"dropout = 1: {error.cause}") from error
        raise
    unheard = [name for name in trial.parameters if name.startswith("weight_ih") and not name.startswith("weight_ih_l0")]
    deaf = trial.but(training=False, parameters={**trial.parameters, **{u: torch.zeros_like(trial.parameters[u]) for u in unheard}})
    weights = loud.cotangents()
    found = loud.gradients(weights)
    zero = [(u, found.pop(u)) for u in unheard if u in found]
    return (
        both(loud.run, deaf.budget.truth, deaf.budget.allowed)
        & gradients.within_budget(deaf.gradient_budget(weights), found)
        & every(near(f"gradient of {u}", g, torch.zeros_like(g), 0.0) for u, g in zero if g is not None)
    )
