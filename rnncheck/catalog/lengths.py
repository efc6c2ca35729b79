"""What must hold of sequences of different lengths, packed or with their lengths beside them."""

from typing import cast

import torch
from torch import Tensor

from rnncheck.catalog.batch import in_batch, in_row, paths_beside, results_beside
from rnncheck.catalog.tools.conditions import at_least, batched, deterministic, differentiable, packed, unsorted
from rnncheck.catalog.tools.follow_ups import pick, rows, side_by_side, steps_inside
from rnncheck.catalog.tools.gradients import agree
from rnncheck.catalog.tools.rejections import named, refusal
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, both, equal, every, identical
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.core.subject import TakesLengths
from rnncheck.running.trial import Trial, subject_boundary

lengths = Family("lengths")
BEHIND = "the output behind a sequence's end is not 0"


@lengths(
    "each_alone",
    kind="metamorphic",
    formula="f(pack(x, n))[:n_b, b] = f(x[:n_b, b]), h_n of b = h after its own n_b steps",
    needs=("batched",),
    cost=4,
    source="pytorch/rl#3711, allenai/allennlp#1713: the final state at the padded end",
    applies=packed & deterministic,
)
def each_alone(trial: Trial) -> Observation:
    """A sequence in a packed batch gives the same as alone and unpadded, with final states from its own last step."""
    alone = (longer(unpadded(trial, row).run, trial.time) for row in range(trial.batch))
    return trial.same(side_by_side(alone), sides=("alone", "in the packed batch"))


@lengths(
    "gradient_alone",
    kind="derivative",
    formula="d loss(f(pack(x, n))[:, b]) / d(x, hx, parameters) = d loss(f(x[:n_b, b])) / d(...)",
    needs=("batched",),
    cost=8,
    source="fla-org/flash-linear-attention#1258: backward of packing",
    applies=packed & deterministic & differentiable,
)
def gradient_alone(trial: Trial) -> Observation:
    """One packed sequence's loss has the same gradients as for that sequence alone and unpadded, and 0 for the others."""
    row = trial.draw("whose loss", 0, trial.batch - 1)
    own = trial.cotangents().map(lambda part: in_row(part[:, [row]], row, trial.batch))
    by_itself = unpadded(trial, row)
    cotangents = pick(own, [row])
    gradients = by_itself.gradients(Run(cotangents.output[: by_itself.time], *cotangents.state))
    expected = {name: in_batch(trial, name, g, row) for name, g in gradients.items()}
    return agree(trial, trial.gradients(own), expected, own, sides=("in the packed batch", "alone"))


def unpadded(trial: Trial, row: int) -> Trial:
    """One sequence of a packed batch as a batch of its own, as long as itself, not packed."""
    alone = rows(trial, [row])
    (length,) = alone.lengths or (trial.time,)
    return alone.but(x=alone.x[:length], lengths=None)


def longer(run: Run, time: int) -> Run:
    """The run with zeros after its end, up to this many steps."""
    missing = run.output.new_zeros(time - len(run.output), *run.output.shape[1:])
    return Run(torch.cat([run.output, missing]), *run.state)


@lengths(
    "padding_ignored",
    kind="metamorphic",
    formula="f(pack(x, n)) does not depend on x[n_b:, b], nor on how long the longest sequence is",
    source="onnx/onnx-tensorflow#342: the reverse direction starts in the padding",
    applies=packed & deterministic,
)
def padding_ignored(trial: Trial) -> Observation:
    """Neither the contents of the padding (even NaN) nor its length changes any valid result."""
    inside = steps_inside(trial)[..., None]
    filled = torch.where(inside, trial.x, torch.nan)
    more = torch.cat([filled, trial.like(trial.x[:2], "later input")])
    companion = trial.like(more[:, :1], "companion")
    state = trial.map_state(lambda part: torch.cat([part, trial.within_bounds(trial.like(part[:, :1], "state"))], dim=1))
    lengths = (*(trial.lengths or ()), len(more))
    together = trial.but(x=torch.cat([more, companion], dim=1), state=state, lengths=lengths).run
    follow_up = pick(together, range(trial.batch))
    beside = Run(follow_up.output[: trial.time], *follow_up.state)
    poisoned = trial.same(trial.but(x=filled).run, "NaN in padding: ", ("with it", "without it"))
    return poisoned & trial.same(beside, "beside a longer sequence: ", ("beside it", "without it"))


@lengths(
    "order",
    formula="f(pack(x, n)) = restore(f(pack(sort(x, n))))",
    kind="metamorphic",
    source="pack_padded_sequence, enforce_sorted; fartashf/vsepp#36",
    applies=unsorted & deterministic,
)
def order(trial: Trial) -> Observation:
    """Lengths in any order give the same results as in descending order, returned in the caller's order."""
    given = trial.lengths or ()
    descending = sorted(range(trial.batch), key=lambda row: -given[row])
    back = sorted(range(trial.batch), key=descending.__getitem__)
    return trial.same(pick(rows(trial, descending).run, back), sides=("longest first", "in the given order"))


@lengths(
    "full",
    formula="f(pack(x, (time, ..., time))) = f(x)",
    kind="metamorphic",
    needs=("packed", "batched"),
    source="tensorflow/tensorflow#49241: masked and plain kernels differ",
    applies=batched & at_least(batch=1) & deterministic,
)
def full(trial: Trial) -> Observation:
    """When every length equals time, packed input gives the same results as padded input."""
    whole = trial.but(lengths=(trial.time,) * trial.batch)
    return whole.same(trial.but(lengths=None).run, sides=("padded", "packed"))


# modules that take the lengths themselves ----------------------------------------------------------------------------


WASTE = 1000.0
"""What lies in the padding of layers that multiply with a mask."""


@lengths(
    "module",
    convention=BEHIND,
    lenient="^output behind the ends",
    torchs=False,
    formula="f(x, n) = f(pack(x, n)) padded with 0, whatever x[n_b:, b] is",
    kind="metamorphic",
    needs=("lengths",),
    cost=3,
    source="google/flax#3208, keras-team/keras#15756, pytorch/pytorch#184961",
    applies=packed & deterministic,
)
def module(trial: Trial) -> Observation:
    """A module that takes lengths ignores the padding, however long, and its output is 0 after each sequence's end.

    What is 0 there only from some later step on is masked at a wrong step.
    """
    inside = steps_inside(trial)[..., None]
    waste = torch.nan if trial.subject.read_as is None else WASTE  # a mask that is multiplied with stops no NaN
    plain = with_lengths(trial, trial.x, trial.lengths or ())
    poisoned, opposite = (_wasted(trial, inside, value) for value in (waste, -waste))
    left_out = getattr(trial.layer, "left_out", 0)
    cut = within_lengths(Run(poisoned.output[: trial.time], *poisoned.state), inside)
    after, behind = poisoned.output[trial.time :], plain.output.masked_fill(inside, 0.0)
    return (
        trial.same(within_lengths(plain, inside), sides=("padded", "packed"))
        & trial.same(cut, f"{waste:g} in the padding: ".replace("nan", "NaN"), ("padded", "packed"))
        & identical("output behind the ends", behind, torch.zeros_like(behind), Run.AXES["output"])
        & equal("output behind the ends, steps left out", left_out, 0)
        & identical("output behind the ends, after time", after, torch.zeros_like(after), Run.AXES["output"])
        & _masked_from_the_end(trial, inside[..., 0], poisoned, opposite)
        & _padded_alone(trial)
    )


@lengths(
    "inert",
    convention="NaN or inf in the padding reaches the results, as it does where a mask is multiplied with",
    torchs=False,
    formula="x[n_b:, b] = NaN or inf: f(x, n) stays",
    kind="metamorphic",
    needs=("lengths",),
    cost=2,
    source="IEEE 754: 0 * NaN is NaN",
    applies=packed & deterministic,
)
def inert(trial: Trial) -> Observation:
    """What lies in the padding of a module that takes lengths changes no result, even where it is NaN or inf."""
    inside = steps_inside(trial)[..., None]

    def with_waste(waste: float) -> Observation:
        run = with_lengths(trial, torch.where(inside, trial.x, waste), trial.lengths or ())
        told = f"{waste:g} in the padding: ".replace("nan", "NaN")
        return trial.same(within_lengths(run, inside), told, ("padded", "packed"))

    return every(map(with_waste, (torch.nan, torch.inf)))


@lengths(
    "beside",
    formula="x[n_b:, b] changes  =>  r(x, n)[b] stays, r whatever else comes back",
    kind="metamorphic",
    needs=("lengths",),
    cost=3,
    source="an encoder that packs its input, and takes the final states of a call with the padding",
    applies=packed & deterministic,
)
def beside(trial: Trial) -> Observation:
    """A result beside output and state, with a row for each sequence and no axis of steps, does not depend on the padding."""
    paths, quiet = paths_beside(trial), trial.but(training=False, lengths=None)
    other = torch.where(steps_inside(trial)[..., None], trial.x, trial.like(trial.x, "other padding"))
    before, after = (t.do(results_beside, quiet.layer, *t.arguments, paths, trial.lengths) for t in (quiet, quiet.but(x=other)))
    sides = Origins("with other padding", "with the case's own")
    return every(identical(name, after[name], was, sides=sides)
                 for name, was in before.items() if trial.time not in was.shape)  # fmt: skip


def _padded_alone(trial: Trial) -> Observation:
    """The shortest sequence as a batch of one with padding, for which there may be a path of its own."""
    given = trial.lengths or ()
    row = given.index(min(given))
    one = rows(trial, [row])
    padded = within_lengths(with_lengths(one, one.x, one.lengths or ()), steps_inside(one)[..., None])
    sides = ("padded", "packed")
    return both(padded, pick(trial.run, [row]), lambda: pick(trial.budget.twice, [row]), "in a batch of one: ", sides)


def _wasted(trial: Trial, inside: Tensor, waste: float) -> Run:
    """The run with this in the padding, and two more steps of it."""
    filled = torch.where(inside, trial.x, waste)
    return with_lengths(trial, torch.cat([filled, torch.full_like(trial.x[:2], waste)]), trial.lengths or ())


def _masked_from_the_end(trial: Trial, inside: Tensor, *runs: Run) -> Observation:
    """Where the output is 0 whatever lies in the padding, it is so from the end of the sequence on."""
    zero = torch.stack([(run.output == 0).all(-1) for run in runs]).all(0)
    late = zero[-2:].all(0) & ~zero[: trial.time].logical_or(inside).all(0)
    rows = late.nonzero().flatten().tolist()
    return equal("rows whose output is 0 only some steps behind their end", rows, [])


def within_lengths(run: Run, inside: Tensor) -> Run:
    """The run with zeros for the output behind each sequence's end."""
    return Run(run.output.masked_fill(~inside, 0.0), *run.state)


def with_lengths(trial: Trial, x: Tensor, lengths: tuple[int, ...]) -> Run:
    """What such a module returns for padded input and lengths, read back into (time, batch, features)."""
    padded = trial.but(x=x, lengths=None)
    input, hx = padded.lay_out(x, trial.state)
    layer = cast(TakesLengths, trial.layer)
    with subject_boundary("calling"), torch.set_grad_enabled(trial.case.training):
        result = layer.with_lengths(input, hx, torch.tensor(lengths))
    return padded.read(*result).map(Tensor.detach)


@lengths(
    "zero",
    convention="a length of 0 gives an output that is not 0, or a refusal that does not say so",
    lenient="^(of length 0: output|a length of 0 = refused)",
    torchs=False,
    formula="n_b = 0  =>  h_n of b ≡ h_0 of b, output of b ≡ 0, the others unchanged",
    kind="metamorphic",
    needs=("lengths",),
    cost=6,
    source="tensorflow/tensorflow#36139, #33148; jax-ml/jax#15183",
    applies=packed & at_least(batch=2) & deterministic,
)
def zero(trial: Trial) -> Observation:
    """A sequence of length 0 keeps its initial state bit for bit, outputs 0 and leaves others alone, or raises a clear error.

    So it is of the first, of the last, and of one that is drawn.
    """
    drawn, last = trial.draw("row of length 0", 0, trial.batch - 1), trial.batch - 1
    return every(_of_length_zero(trial, row) for row in sorted({0, drawn, last}))


def _of_length_zero(trial: Trial, row: int) -> Observation:
    """The case with this row of length 0."""
    others = [other for other in range(trial.batch) if other != row]
    given = tuple(0 if other == row else length for other, length in enumerate(trial.lengths or ()))
    message = refusal(lambda: with_lengths(trial, trial.x, given))
    if message is not None:
        return named("a length of 0", message, [("0", "zero", "positive", "length", "lengths")])
    run = with_lengths(trial, trial.x, given)
    inside = steps_inside(trial)[..., None]
    known = trial.state is not None or trial.config.named is None  # what is read from its types may begin from another than zero
    start = Run(torch.zeros_like(trial.run.output), *(trial.given_state if known else run.state))
    of_zero = both(pick(run, [row]), pick(start, [row]), 0.0, "of length 0: ")
    run, sides = within_lengths(run, inside), ("beside it", "in the packed batch")
    return of_zero & both(pick(run, others), pick(trial.run, others), lambda: pick(trial.budget.twice, others), "others: ", sides)
