"""What must hold of a layer over its life: whatever happened to it, it is what its parameters and flags say."""

import copy
import gc
from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.tools.conditions import anywhere, deterministic
from rnncheck.catalog.tools.deeds import unpickled
from rnncheck.catalog.tools.dropout_masks import panes
from rnncheck.catalog.tools.lifecycle import Life, agree, importable
from rnncheck.catalog.tools.lifecycle_operations import in_drawn_order, perform
from rnncheck.core.observation import Observation, equal, every
from rnncheck.core.property import Family
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.backward import named_results
from rnncheck.running.trial import Trial

life = Family("life")


@life(
    "machine",
    formula="after any operations: f(x) = f'(x), f' a new layer with the parameters of f",
    kind="metamorphic",
    source="model-based testing; torch.nn.Module; pytorch/pytorch#1721",
    applies=anywhere,
    needs=("load", "module"),
    cost=40,
)
def machine(trial: Trial) -> Observation:
    """After each of a random sequence of operations, the layer agrees with a new one that has its parameters.

    Operations: call, train, eval, to(dtype) and back, load_state_dict, deepcopy, pickle, optimizer step, parametrize,
    another dropout, time, batch, hx, packed input for padded. Ends at the first disagreement, which says what was done before.
    """
    one, seen = Life.begin(trial), Observation()
    if isinstance(one.layer.module, torch.jit.ScriptModule):
        raise NotClaimed("a module that TorchScript compiled is copied, changed and pickled in ways of its own")
    if computed := sorted({*trial.parameters} - {*one.layer.parameters()}):
        raise NotClaimed(f"a parametrization computes {', '.join(computed)} anew at each call")
    for name in trial.in_turn(in_drawn_order(one)):
        seen &= perform(one, name)
        if not seen.holds:
            break
    return seen


@life(
    "copied",
    convention="it cannot be copied or pickled after a call",
    lenient="while being (copied|pickled)",
    formula="deepcopy(f)(x) = f(x), loads(dumps(f))(x) = f(x)",
    kind="metamorphic",
    source="torch.nn.Module; copy.deepcopy; pickle",
    applies=anywhere,
    needs=("module",),
    cost=4,
)
def copied(trial: Trial) -> Observation:
    """After a call, a deep copy and an unpickled copy give the same results; dropout drops the same values after the same seed."""
    if trial.case.dropout_active and not trial.subject.offers("load"):
        return Observation()
    t = panes(trial) if trial.case.dropout_active else trial
    layer = t.build()
    t.call_on(layer)
    copied = {"the deep copy": trial.do(copy.deepcopy, layer, doing="being copied")}
    if importable(layer):
        copied["the unpickled copy"] = trial.do(unpickled, layer, doing="being pickled")
    if t is trial:
        return every(agree(trial, trial.run_on(twin, what), f"{what}: ") for what, twin in copied.items())
    given = (*t.arguments, trial.case.seed)
    return every(
        equal(f"values that only one of {what} and the layer drops", t.do(dropped_by_one, layer, twin, *given), 0)
        for what, twin in copied.items()
    )


def dropped_by_one(layer: Layer, twin: Layer, x: Any, hx: Any, seed: int) -> int:
    """Return how many values of the output only one of two layers drops, the random state set to the same seed."""
    torch.manual_seed(seed)
    first = named_results(layer(x, hx))["output"] != 0
    torch.manual_seed(seed)
    return int((first != (named_results(twin(x, hx))["output"] != 0)).sum())


@life(
    "leak",
    formula="tensors alive after f(x_1), ..., f(x_6) = after f(x_1), f(x_2)",
    kind="invariant",
    source="Python's gc; a list of outputs, or a graph, that grows with every call",
    applies=anywhere,
    cost=8,
)
def leak(trial: Trial) -> Observation:
    """Calls do not leak: once results are released, further forward and backward calls leave no extra tensors alive."""
    calls = [trial.but(x=trial.like(trial.x, f"call {call}")).arguments for call in range(WARM + MORE)]
    left = trial.do(tensors_left, trial.layer, tuple(calls), MORE, doing="calling and running backward")
    return equal(f"tensors that each of {MORE} more calls leaves alive", left, 0)


WARM, MORE = 2, 4
"""Calls that may fill what is kept for good, and calls after them that should add nothing."""


def tensors_left(layer: Layer, calls: tuple[tuple[Any, Any], ...], more: int) -> int:
    """Return how many tensors each of the last ``more`` calls leaves alive once its results are released."""
    gc.freeze()  # the collector looks at nothing that was there before, which makes it quick
    try:
        for x, hx in calls[:-more]:
            use(layer, x, hx)
        before = tensors_alive()
        for x, hx in calls[-more:]:
            use(layer, x, hx)
        return max(0, tensors_alive() - before) // more
    finally:
        gc.unfreeze()


def use(layer: Layer, x: Any, hx: Any) -> None:
    """Call a layer, and go backward through it where gradients are enabled."""
    if torch.is_grad_enabled() and isinstance(x, Tensor):
        x = x.detach().requires_grad_()
    results = named_results(layer(x, hx))
    wanted = [part for part in (x, *layer.parameters().values()) if isinstance(part, Tensor) and part.requires_grad]
    ends = [part.sum() for part in results.values() if part.requires_grad]
    if wanted and ends:
        torch.autograd.grad(ends, wanted, allow_unused=True)


def tensors_alive() -> int:
    """Return how many tensors Python's collector knows of, once what is out of reach is gone."""
    gc.collect()
    return sum(issubclass(type(one), Tensor) for one in gc.get_objects())


@life(
    "interleaved",
    formula="f(x), g(x'), f(x): each as if alone",
    kind="metamorphic",
    applies=deterministic,
    cost=10,
    source="keras-team/keras: state kept on a class or in a module; tensorflow/tensorflow#34055",
)
def interleaved(trial: Trial) -> Observation:
    """Two differently configured layers used in turn do not disturb each other."""
    other = neighbour(trial)
    pairs = [(trial, trial.build(), "this layer"), (other, other.build(), "the other layer")]
    runs = [(one, one.run_on(layer, who), f"{who}, turn {turn}: ") for turn in (1, 2) for one, layer, who in pairs]
    return every(agree(*run) for run in runs)


def neighbour(trial: Trial) -> Trial:
    """Another layer of the same subject: wider, with batch_first the other way; for an instance, one more like it."""
    if trial.config.named is not None:
        sizes = {axis: size + 1 for axis, size in trial.config.named.sizes}
        return Trial(trial.subject, trial.case.but(config=trial.config.resized(**sizes), seed=trial.case.seed + 1))
    subject, case, config = trial.subject, trial.case, trial.config
    flip = "time_first" if config.batch_first else "batch_first"
    square = subject.one_size
    more = config.hidden_size + 2 - config.input_size if square else 1
    wider = config.but(
        hidden_size=config.hidden_size + 2, input_size=config.input_size + more,
        batch_first=not config.batch_first if subject.offers(flip) else config.batch_first,
    )  # fmt: skip
    return Trial(subject, case.but(config=subject.fixed or subject.fitted(wider), seed=case.seed + 1))
