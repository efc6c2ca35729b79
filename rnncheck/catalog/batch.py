"""What must hold along the batch axis: sequences know nothing of each other, whatever their number."""

from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.tools.conditions import at_least, batched, deterministic, differentiable, padded, unbatched
from rnncheck.catalog.tools.follow_ups import pick, rows, side_by_side
from rnncheck.catalog.tools.gradients import agree
from rnncheck.core.case import Case
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, both, equal, every, identical, near
from rnncheck.core.property import Condition, Family
from rnncheck.core.run import Run
from rnncheck.core.subject import NotClaimed
from rnncheck.reading.calls.results import leaves
from rnncheck.running.trial import Trial

batch = Family("batch")
NOBODY = "a batch without sequences is not handled"
several = batched & at_least(batch=2) & deterministic


@batch(
    "alone",
    formula="f(x)[:, b] = f(x[:, b])",
    kind="metamorphic",
    cost=4,
    source="samples mixed by a view instead of a transpose: facebookresearch/fairseq#239",
    applies=several,
)
def alone(trial: Trial) -> Observation:
    """A layer gives a sequence the same result in a batch as on its own."""
    together = trial.run_on(trial.layer)
    by_themselves = side_by_side(rows(trial, [row]).run for row in range(trial.batch))
    return trial.same(by_themselves, sides=("alone", "in the batch"), other=together)


@batch(
    "invariant",
    formula="f(x)[:, b] ≡ f(x[:, b])",
    kind="metamorphic",
    needs=("batch_invariant",),
    cost=4,
    source="batch-invariant kernels: the same answer whoever else is served at the same time",
    applies=several,
)
def invariant(trial: Trial) -> Observation:
    """Claimed by the layer: a sequence gives the same alone as in a batch, bit for bit."""
    by_themselves = side_by_side(rows(trial, [row]).run for row in range(trial.batch))
    return trial.identical(by_themselves, trial.run, sides=("alone", "in the batch"))


@batch("permute", formula="f(P x) = P f(x)", kind="metamorphic", source="equivariance; fartashf/vsepp#36", applies=several)
def permute(trial: Trial) -> Observation:
    """Permuting the batch permutes outputs and states alike, and changes nothing else."""
    order = torch.randperm(trial.batch - 1, generator=trial.generator("order of the batch")) + 1
    shuffled = [*order.tolist(), 0]  # the first sequence always moves
    back = sorted(range(trial.batch), key=shuffled.__getitem__)
    return trial.same(pick(rows(trial, shuffled).run, back), sides=("in another order", "in the case's own order"))


@batch(
    "gradient_alone",
    kind="derivative",
    formula="d loss(f(x)[:, b]) / d(x, hx, parameters) = d loss(f(x[:, b])) / d(...), 0 for the others",
    cost=8,
    source="per-example gradients: Goodfellow 2015, arXiv:1510.01799",
    applies=several & differentiable,
)
def gradient_alone(trial: Trial) -> Observation:
    """Gradients do not mix sequences: one sequence's loss has the same gradients in a batch as on its own."""
    row = trial.draw("whose loss", 0, trial.batch - 1)
    own = trial.cotangents().map(lambda part: in_row(part[:, [row]], row, trial.batch))
    alone = rows(trial, [row])
    _ = alone.run  # what cannot be read has no gradients
    by_itself = alone.gradients(pick(own, [row]))
    expected = {name: in_batch(trial, name, g, row) for name, g in by_itself.items()}
    return agree(trial, trial.gradients(own), expected, own, sides=("in the batch", "alone"))


@batch(
    "beside",
    formula="x[:, others] changes  =>  r(x)[b] stays, r whatever else comes back",
    kind="metamorphic",
    source="hidden.view(batch, -1) of a (2, batch, hidden) state: facebookresearch/fairseq#239",
    applies=several & padded,
    cost=3,
)
def beside(trial: Trial) -> Observation:
    """What comes back beside output and state, and has a row for each sequence, does not depend on the other sequences."""
    paths = paths_beside(trial)
    row = trial.draw("the row that stays", 0, trial.batch - 1)
    others = trial.like(trial.x, "other sequences").index_copy(1, torch.tensor([row], device=trial.x.device), trial.x[:, [row]])
    quiet = trial.but(training=False)
    before, after = (t.do(results_beside, quiet.layer, *t.arguments, paths) for t in (quiet, quiet.but(x=others)))
    axes = {named_path(path): axis for path, axis in paths}
    pairs = ((name, axes[name], after[name], was) for name, was in before.items() if was.shape[axes[name]] == trial.batch)
    sides = Origins("beside other sequences", "beside the case's own")
    return every(identical(f"row {row} of {name}", now.select(axis, row), was.select(axis, row), sides=sides)
                 for name, axis, now, was in pairs)  # fmt: skip


Paths = tuple[tuple[tuple[Any, ...], int], ...]
"""Where something is in what a layer returns, and its axis of sequences."""


def results_beside(layer: Any, x: Any, hx: Any, paths: Paths, lengths: tuple[int, ...] | None = None) -> dict[str, Tensor]:
    """Return what a call, with lengths if there are any, returns at these paths, as the layer itself returns it."""
    module = layer.module.wrapped() if hasattr(layer.module, "wrapped") else layer.module
    results = list[Any]()
    hook = module.register_forward_hook(lambda _, given, result: results.append(result))
    try:
        _ = layer(x, hx) if lengths is None else layer.with_lengths(x, hx, torch.tensor(lengths))
    finally:
        hook.remove()
    wanted = [tuple(path) for path, _ in paths]
    return {named_path(path): tensor for path, tensor in leaves(results[-1]) if path in wanted}


def paths_beside(trial: Trial) -> Paths:
    """Return where something with a row for each sequence comes back beside output and state; raises NotClaimed without any."""
    batch_first, paths = trial.subject.nature.get("with_rows", (False, ()))
    if not paths or batch_first != trial.config.batch_first:
        raise NotClaimed("nothing else comes back that has a row for each sequence")
    found: Paths = paths
    return found


def named_path(path: tuple[Any, ...]) -> str:
    """Return an expression for what lies at this path."""
    return f"result{''.join(f'[{step!r}]' for step in path)}"


ON_THE_BATCH = ("input", "h_0", "c_0")
"""The gradients that have a batch axis: the second."""


def in_row(part: Tensor, row: int, batch: int) -> Tensor:
    """(…, 1, features) as one row of (…, batch, features), the others 0."""
    whole = part.new_zeros(part.shape[0], batch, part.shape[2])
    whole[:, row] = part[:, 0]
    return whole


def in_batch(trial: Trial, name: str, gradient: Tensor | None, row: int) -> Tensor | None:
    """A gradient of one sequence alone as it is in the batch: 0 for the others, and after the sequence's end."""
    if gradient is None or name not in ON_THE_BATCH:
        return gradient
    whole = in_row(gradient, row, trial.batch)
    return torch.cat([whole, whole.new_zeros(trial.time - len(whole), *whole.shape[1:])]) if name == "input" else whole


@batch(
    "unbatched",
    convention="input without a batch axis is taken, and gives other results than a batch of one",
    promised="counts_axes",
    formula="f(x) = f(x[:, None])[:, 0]",
    kind="metamorphic",
    needs=("batched",),
    source="torch.nn.RNN: input of shape (L, H_in)",
    applies=unbatched & deterministic,
)
def as_batch_of_one(trial: Trial) -> Observation:
    """A sequence without a batch axis gives the same result as in a batch of one."""
    return trial.same(trial.but(batch=1).run, sides=("as a batch of one", "without a batch axis"))


@batch(
    "empty",
    convention=NOBODY,
    kind="invariant",
    formula="f(x[:, :0]) has shape (time, 0, features), states (layers*directions, 0, size)",
    source="torch.nn's layers take a batch of 0; the last batch of a filtered data set",
    applies=batched & padded,
)
def empty(trial: Trial) -> Observation:
    """A batch without sequences gives an empty output and empty states, in the right shapes."""
    nobody = rows(trial, [])
    expected = Run(trial.x.new_zeros(trial.time, 0, trial.config.output_size), *nobody.zero_state())
    return both(nobody.run, expected, 0.0) & equal("dtype of the output", nobody.run.output.dtype, trial.x.dtype)


@batch(
    "empty_backward",
    convention=NOBODY,
    formula="d sum(f(x[:, :0])) / d parameters = 0",
    kind="derivative",
    source="an empty sum has gradient 0",
    applies=batched & padded & differentiable,
)
def empty_backward(trial: Trial) -> Observation:
    """Backward works on a batch without sequences, and its gradients are zero."""
    nobody = rows(trial, [])
    found = {name: g for name, g in nobody.gradients(nobody.cotangents()).items() if g is not None}
    return every(near(f"gradient of {name}", g, torch.zeros_like(g), 0.0) for name, g in found.items())


@batch(
    "poisoned",
    formula="x[:, b] = NaN, inf, -inf  =>  f(x)[:, others] unchanged",
    kind="metamorphic",
    cost=3,
    source="0 * NaN: masks made by multiplication",
    applies=several,
)
def poisoned(trial: Trial) -> Observation:
    """NaN or inf in one sequence and its state does not affect the other sequences."""
    victim = trial.draw("poisoned sequence", 0, trial.batch - 1)
    others = [row for row in range(trial.batch) if row != victim]
    expected = pick(trial.run, others)
    right = trial.right and (pick(trial.right[0], others), pick(trial.right[1], others))

    def with_poison(value: float) -> Run:
        state = trial.map_state(lambda part: _poison(part, victim, value))
        return pick(trial.but(x=_poison(trial.x, victim, value), state=state).run, others)

    def allowed() -> Run:
        return pick(trial.budget.twice, others)

    return every(
        both(with_poison(value), expected, allowed, f"{value} in sequence {victim}: ", ("beside it", "without it"), right)
        for value in (torch.nan, torch.inf, -torch.inf)
    )


def _poison(part: Tensor, row: int, value: float) -> Tensor:
    return part.index_fill(1, torch.tensor([row], device=part.device), value)


PIECE = 5
"""Sequences in a batch that no implementation finds awkward."""


@batch(
    "cliffs",
    formula="f(x) = truth, f(x) = f(x[:, :5]), f(x[:, 5:10]), ... side by side",
    kind="metamorphic",
    stratum="cliffs",
    cost=30,
    source="tiles, vectors and offsets: pytorch/pytorch#177834, pytorch/rl#3818, pytorch/pytorch#133751",
    applies=batched & at_least(batch=1) & deterministic,
)
def cliffs(trial: Trial) -> Observation:
    """Results stay right at sizes where optimised kernels switch code paths, and match the same batch run in small pieces."""
    starts = range(0, trial.batch, PIECE)
    pieces = (rows(trial, range(start, min(start + PIECE, trial.batch))).run for start in starts)
    return trial.is_true() & trial.same(side_by_side(pieces), "in pieces: ", ("in pieces", "at once"))


MANY = 65_601
"""A little more than 16 bits can count, and one more than a multiple of 16: a tile of one row."""


def numbers(case: Case) -> int:
    """How many a sequence takes in one layer: its input, or what its gates are made of."""
    config = case.config
    return case.time * max(config.input_size, config.directions * len(config.gates) * config.hidden_size)


narrow = Condition("at most 150 numbers a sequence", lambda case: numbers(case) <= 150)


@batch(
    "many",
    formula="f(x[:, i])[:, k] = f(x)[:, i_k], 65,600 sequences",
    kind="metamorphic",
    cost=400,
    source="blocks of a CUDA grid: at most 65,535 along y and z; indices of 16 bits",
    applies=batched & at_least(batch=2) & deterministic & narrow,
)
def many(trial: Trial) -> Observation:
    """Each of more than 65,535 sequences gives the same result as in a small batch."""
    t = trial.but(training=False, layout="contiguous")
    picked = torch.randint(0, t.batch, (MANY,), generator=trial.generator("sequences, many times")).tolist()
    sides = ("among many", "among a few")
    return both(rows(t, picked).run, pick(t.run, picked), lambda: pick(t.budget.twice, picked), sides=sides)
