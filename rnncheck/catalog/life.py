"""What must hold of a layer over its life: whatever happened to it, it is what its parameters and flags say."""

import copy
import gc
import pickle
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from rnncheck.catalog.tools.conditions import anywhere, deterministic
from rnncheck.catalog.tools.dropout_masks import AXES as MASK_AXES
from rnncheck.catalog.tools.dropout_masks import kept, panes
from rnncheck.catalog.tools.lifecycle import Life, agree, importable
from rnncheck.catalog.tools.lifecycle_operations import in_drawn_order, perform
from rnncheck.core.observation import Observation, every, fact, identical
from rnncheck.core.property import Family
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.trial import Trial, seeded, subject_boundary

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
    for name in in_drawn_order(one):
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
    with subject_boundary("being copied"):
        copies = {"the deep copy": copy.deepcopy(layer)}
    if importable(layer):
        with subject_boundary("being pickled"):
            copies["the unpickled copy"] = pickle.loads(pickle.dumps(layer))
    if t is trial:
        return every(agree(trial, trial.run_on(twin, what), f"{what}: ") for what, twin in copies.items())
    mask = _mask(t, layer)
    return every(identical(f"{what}: kept by dropout", _mask(t, twin, what), mask, MASK_AXES) for what, twin in copies.items())


def _mask(glass: Trial, layer: Layer, what: str = "") -> Tensor:
    """Which values the layer's dropout keeps, from the case's seed on."""
    with seeded(glass.case.seed, glass.case.device):
        return kept(glass, glass.run_on(layer, what))


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
    weights, layer = trial.cotangents(), trial.layer

    def use(call: int) -> None:
        t = trial.but(x=trial.like(trial.x, f"call {call}"))
        if trial.case.training:
            t.gradients(weights, layer)
        else:
            t.run_on(layer)

    with only_new_objects():
        for call in range(WARM):
            use(call)
        before = tensors_alive()
        for call in range(WARM, WARM + MORE):
            use(call)
        after = tensors_alive()
    return fact("calls", after - before < MORE, f"{after - before} more tensors alive after {MORE} more calls", "none")


WARM, MORE = 2, 4
"""Calls that may fill what is kept for good, and calls after them that should add nothing."""


@contextmanager
def only_new_objects() -> Iterator[None]:
    """Meanwhile Python's collector looks at nothing that was there before, which makes it quick."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def tensors_alive() -> int:
    """How many tensors Python's collector knows of, once what is out of reach is gone."""
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
    square = subject.claims.get("sizes") is not None and not subject.offers("sizes")
    more = config.hidden_size + 2 - config.input_size if square else 1
    wider = config.but(
        hidden_size=config.hidden_size + 2, input_size=config.input_size + more,
        batch_first=not config.batch_first if subject.offers(flip) else config.batch_first,
    )  # fmt: skip
    return Trial(subject, case.but(config=subject.fixed or wider, seed=case.seed + 1))
