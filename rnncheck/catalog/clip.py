"""What must hold of a function that clips gradients by their norm, like torch.nn.utils.clip_grad_norm_."""

from math import inf, nan
from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.tools.clip_conditions import (
    bounded,
    by_dtype,
    clipping,
    copies,
    finite,
    flat,
    half_precision,
    halved,
    merged,
    norm_told,
    not_empty_maximum,
    not_made_up,
    once,
    ordinary,
    pieces,
    poisoned,
    refused_and_untouched,
    scaled,
    some,
    stays_zero,
    times,
    truth_of,
    with_elements,
)  # fmt: skip
from rnncheck.catalog.tools.clip_deeds import (
    among_many,
    clipped_among_many,
    clipped_in_place,
    norm_unless_refused,
    told_of_a_used_up_generator,
)
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, equal, every, fact, identical, near
from rnncheck.core.property import Family
from rnncheck.running.clip_trial import Clipped, ClipTrial
from rnncheck.running.layout import scattered_in_memory

clip = Family("clip")
SENSELESS = "arguments that make no sense are accepted"
PASCANU = "Pascanu, Mikolov, Bengio 2013, On the difficulty of training recurrent neural networks, algorithm 1"
BLUE = "Blue 1978, A portable Fortran program to find the Euclidean norm of a vector"
DOCS = "torch.nn.utils.clip_grad_norm_, documentation"
MANY, LARGE = 330, 65_537
"""Gradients, and elements of one, beyond which a kernel begins anew."""


@clip("bound", formula="|g'| <= max_norm", source=PASCANU, kind="invariant", applies=ordinary)
def bound(trial: ClipTrial) -> Observation:
    """After the call, the norm of all gradients, taken as one vector, is at most max_norm."""
    return bounded(trial.run, truth_of(trial), trial.case)


@clip("formula", formula="g' = min(max_norm / |g|, 1) g", source=PASCANU, kind="differential", applies=ordinary)
def formula(trial: ClipTrial) -> Observation:
    """Gradients are multiplied by max_norm / norm where their norm exceeds max_norm, and left unchanged otherwise.

    Gradients of 0 have no direction, and stay 0 where max_norm is 0 too.
    """
    return scaled(trial.run, truth_of(trial)) & stays_zero(trial, trial.present)


@clip("returns_norm", formula="returned = |g|", source=DOCS, kind="differential", needs=("returned_norm",),
      applies=ordinary)  # fmt: skip
def returns_norm(trial: ClipTrial) -> Observation:
    """The call returns the norm before clipping."""
    return norm_told(trial.run, truth_of(trial))


@clip("one_vector", formula="clip([a, b]) = clip([a ++ b])", source=DOCS, kind="metamorphic", applies=ordinary, cost=4)
def one_vector(trial: ClipTrial) -> Observation:
    """Splitting or merging parameters changes nothing: the norm is that of one long vector."""
    given, truth = by_dtype(trial.present), truth_of(trial)
    right = flat(map(truth.expected, given)), flat(map(truth.allowed, given))
    whole = flat(by_dtype(g for _, _, g in trial.run.pairs()))
    as_one = flat(g for _, _, g in trial.but(gradients=merged(trial.present)).run.pairs())
    split = flat(g for _, _, g in trial.but(gradients=pieces(given)).run.pairs())
    merge = near("merged", as_one, whole, 2 * right[1], sides=Origins("merged", "as given", *right))
    return merge & near("split", split, whole, 2 * right[1], sides=Origins("split", "as given", *right))


@clip("idempotent", formula="clip(clip(g)) = clip(g)", source="a projection onto a ball", kind="metamorphic",
      applies=ordinary & clipping)  # fmt: skip
def idempotent(trial: ClipTrial) -> Observation:
    """Clipping gradients a second time changes nothing."""
    again = trial.but(gradients=trial.run.after)
    truth = truth_of(again)
    return every(near(what, after, before, 2 * truth.allowed(before)) for what, before, after in again.run.pairs())


@clip("norms", formula="p in {1, 1.5, 2, 3, inf}", source=DOCS, kind="differential", needs=("norm_type", "returned_norm"),
      applies=ordinary & with_elements, cost=5)  # fmt: skip
def norms(trial: ClipTrial) -> Observation:
    """For every norm_type, the bound, the scaling and the returned norm use that norm."""

    def one(p: float) -> Observation:
        t, name = halved(trial, norm_type=p), f"norm_type {p:g}: "
        truth = truth_of(t)
        return norm_told(t.run, truth, name) & scaled(t.run, truth, name) & bounded(t.run, truth, t.case, name)

    return every(one(p) for p in (1.0, 1.5, 2.0, 3.0, inf))


@clip("threshold", formula="max_norm = 0.999 |g|: 0.999 g; max_norm = 1.001 |g|: g", source=PASCANU, kind="differential",
      applies=ordinary & some, cost=4)  # fmt: skip
def threshold(trial: ClipTrial) -> Observation:
    """Gradients just above the bound are clipped, those just below it or at it are left alone; max_norm may be an integer.

    At the bound are gradients of 0 with max_norm = 0.
    """
    norm, largest = truth_of(trial).norm, max(float(g.abs().max()) for g in trial.present if g.numel()) or 1.0
    around = {f"max_norm {k} of the norm: ": trial.but(max_norm=k * norm) for k in (0.999, 1.001)}
    around["max_norm 2, an int: "] = trial.but(gradients=times(trial, largest, 8.0), max_norm=2)
    return every(scaled(t.run, truth_of(t), what) for what, t in around.items()) & stays_zero(trial, trial.present)


@clip("many", formula="clip([0, ..., 0, 0 ++ g]) = clip(g), 330 gradients, of 65,537 elements", kind="metamorphic",
      source="fused kernels: 64 tensors, 320 blocks, 65,536 elements at a time", applies=ordinary & some, cost=20)  # fmt: skip
def many(trial: ClipTrial) -> Observation:
    """Among many gradients, and in gradients of many elements, nothing is left out."""
    t = halved(trial, gradients=among_many(trial.gradients, MANY, LARGE))
    seen = t.do(clipped_among_many, copies(trial), MANY, LARGE)
    return scaled(Clipped(t.gradients, seen["gradients"], None), truth_of(t))


@clip("foreach", formula="foreach = loop", source=DOCS, kind="metamorphic", needs=("foreach",), applies=ordinary,
      cost=3)  # fmt: skip
def foreach(trial: ClipTrial) -> Observation:
    """foreach=True and foreach=False give the same result."""
    truth, loop, fused = truth_of(trial), trial.but(foreach=False).run, trial.but(foreach=True).run
    return every(
        near(what, g, other, 2 * truth.allowed(before), (), truth.sides(before, "with foreach", "without"))
        for (what, before, g), (_, _, other) in zip(fused.pairs(), loop.pairs(), strict=True)
    )


@clip("nothing", formula="clip([]) = 0", source="NVIDIA/Megatron-LM#5529", kind="invariant", needs=("returned_norm",),
      cost=3)  # fmt: skip
def nothing(trial: ClipTrial) -> Observation:
    """Without parameters, or without gradients, there is nothing to clip and the norm is 0."""
    lists: dict[str, list[Tensor | None]] = {"no parameter": [], "no gradient": [None]}
    return every(equal(f"norm of {what}", float(trial.but(gradients=g, passed_as="list").run.norm), 0.0)
                 for what, g in lists.items())  # fmt: skip


@clip("empty", formula="clip([g, empty]) = clip([g])", source="meta-pytorch/torchrec#3891", kind="metamorphic",
      applies=ordinary & some & with_elements, cost=4)  # fmt: skip
def empty(trial: ClipTrial) -> Observation:
    """A parameter without elements changes nothing, whatever the norm_type, and stays as it is."""
    extra = trial.present[0].new_zeros(0, 3)
    norm_types = (2.0, inf) if trial.subject.offers("norm_type") else (2.0,)
    return every(
        scaled(t.run, truth_of(t), f"norm_type {p:g}: ")
        for p in norm_types for t in [halved(trial, gradients=[extra, *trial.gradients, extra], norm_type=p)]
    )  # fmt: skip


@clip("low_precision", formula="norm and factor in float32 or better", source="pytorch/pytorch#194033",
      kind="differential", applies=ordinary & half_precision, cost=2)  # fmt: skip
def low_precision(trial: ClipTrial) -> Observation:
    """bfloat16 and float16 gradients are clipped as exactly as others: only the result is rounded to their dtype."""
    truth = truth_of(trial, working=torch.float32)
    zeros = trial.but(gradients=[None if g is None else g * 0 for g in trial.gradients], max_norm=0.0)
    told = scaled(zeros.run, truth_of(zeros), "zeros, max_norm 0: ")
    return scaled(trial.run, truth) & bounded(trial.run, truth, trial.case) & told


@clip("huge_and_tiny", formula="clip(a g) = a clip(g)", kind="differential", source=BLUE,
      applies=finite & once & some & not_empty_maximum, cost=4)  # fmt: skip
def huge_and_tiny(trial: ClipTrial) -> Observation:
    """Finite gradients whose squares overflow or underflow are still clipped to the bound, neither zeroed nor left alone."""
    largest = max(float(g.abs().max()) for g in trial.present if g.numel()) or 1.0
    terms = sum(g.numel() for g in trial.present)
    highest = min(torch.finfo(g.dtype).max for g in trial.present) / (4 * terms)
    lowest = max(torch.finfo(g.dtype).smallest_normal * torch.finfo(g.dtype).eps for g in trial.present) ** 0.5 / 2

    def kept(t: ClipTrial, what: str) -> Observation:
        truth = truth_of(t, epsilon=0.0)
        return scaled(t.run, truth, f"{what}: ") & bounded(t.run, truth, t.case, f"{what}: ")

    huge, tiny = (halved(trial, gradients=times(trial, largest, size)) for size in (highest, lowest))
    return kept(huge, "huge") & kept(tiny, "tiny") & kept(huge.but(max_norm=1.0), "huge, to a norm of 1")


@clip("nonfinite", formula="|g| = inf or NaN: g' = g, or not finite", source="pytorch/pytorch#46849",
      kind="invariant", applies=finite & once & some & not_empty_maximum, cost=4)  # fmt: skip
def nonfinite(trial: ClipTrial) -> Observation:
    """With an inf or NaN among the gradients, no wrong finite number appears: each element stays, or is not finite."""

    def kept(value: float) -> Observation:
        t = trial.but(gradients=poisoned(trial, value), error_if_nonfinite=False)
        refused = fact(f"{value} among the gradients", (why := t.refusal()) is not None, why, "refused")
        return refused if why else every(not_made_up(f"{value}: {what}", g, after) for what, g, after in t.run.pairs())

    return every(kept(value) for value in (inf, -inf, nan))


@clip("error_if_nonfinite", formula="|g| = inf or NaN: raises, g' = g", source=DOCS, kind="invariant",
      needs=("error_if_nonfinite",), applies=finite & once & some & not_empty_maximum, cost=4)  # fmt: skip
def error_if_nonfinite(trial: ClipTrial) -> Observation:
    """With error_if_nonfinite=True, an inf or NaN among the gradients raises an error and changes no gradient."""

    poison = ((trial.but(gradients=poisoned(trial, value), error_if_nonfinite=True), value) for value in (inf, -inf, nan))
    return every(refused_and_untouched(t, f"{value} among the gradients") for t, value in poison)


@clip("arguments", formula="max_norm < 0 or NaN: raises, g' = g", source="pytorch/pytorch#31367", kind="invariant",
      applies=ordinary & some, cost=4, convention=SENSELESS, lenient=" = accepted")  # fmt: skip
def arguments(trial: ClipTrial) -> Observation:
    """A max_norm that is NaN, or negative (which would flip the gradients), raises an error and changes no gradient."""

    return every(refused_and_untouched(trial.but(max_norm=m), f"max_norm = {m}") for m in (-1.0, -1e-3, -inf, nan))


@clip("used_up", formula="clip(used-up generator): raises or warns", source=DOCS, kind="invariant",
      needs=("generator",), convention=SENSELESS)  # fmt: skip
def used_up(trial: ClipTrial) -> Observation:
    """A generator of parameters that is already exhausted raises or warns, instead of passing as a model without parameters."""
    told = trial.but(passed_as="list").do(told_of_a_used_up_generator, trial.gradients)
    return equal("a used-up generator", told, "warned of, or refused")


@clip("listed_twice", formula="clip([g, g]) = clip([g])", source="a parameter shared by two modules",
      kind="metamorphic", applies=ordinary & some, cost=2,
      convention="a parameter that is listed twice counts twice")  # fmt: skip
def listed_twice(trial: ClipTrial) -> Observation:
    """A parameter listed twice counts once, in the norm and in the scaling."""
    t = halved(trial)
    return scaled(t.but(twice=range(len(t.gradients))).run, truth_of(t))


@clip("zero_norm_type", formula="p = 0: raises, or counts what is not 0",
      source="torch.linalg.vector_norm", kind="differential", needs=("norm_type", "returned_norm"),
      applies=ordinary & some & with_elements, cost=2)  # fmt: skip
def zero_norm_type(trial: ClipTrial) -> Observation:
    """norm_type 0 raises an error, or counts the nonzero elements rather than the gradients."""
    counted = float(sum(int(g.count_nonzero()) for g in trial.present))
    return equal("norm of norm_type 0", trial.but(norm_type=0.0).do(norm_unless_refused, copies(trial), counted), counted)


@clip("in_place", formula="p.grad is p.grad, p = p", source=DOCS, kind="invariant", applies=ordinary)
def in_place(trial: ClipTrial) -> Observation:
    """Gradients are scaled in place, and nothing else changes: no parameter, no flag, no other tensor.

    Nothing is recorded for gradients that themselves require gradients (create_graph=True).
    """

    def after(graph: bool) -> Observation:
        seen, told = trial.do(clipped_in_place, copies(trial), graph), " that require gradients" if graph else ""
        kept = [identical("parameter", p, torch.ones_like(p)) for p in seen["parameters"]]
        flags = equal("requires_grad", seen["requires_grad"], [True] * len(kept))
        return same_objects(seen) & every(kept) & flags & equal(f"history of the gradients{told}", seen["history"], "none")

    return after(graph=False) & after(graph=True)


@clip("layout", formula="g strided, transposed, offset in memory: the same g', in place", source="torch.Tensor.grad: any strides",
      kind="metamorphic", applies=ordinary & some, cost=2)  # fmt: skip
def layout(trial: ClipTrial) -> Observation:
    """Gradients that are not contiguous in memory are scaled like any other, and in place."""
    t = halved(trial)
    places = (number + t.draw("layout", 0, 2) for number in range(len(t.gradients)))
    given = tuple(None if g is None else scattered_in_memory(g, place) for g, place in zip(t.gradients, places, strict=True))
    seen = t.do(clipped_in_place, given)
    return same_objects(seen) & scaled(Clipped(t.gradients, seen["gradients"], None), truth_of(t))


def same_objects(seen: dict[str, Any]) -> Observation:
    """Check that the call wrote into the gradients that there were."""
    return equal("each parameter's .grad", seen["each parameter's .grad"], "the same object")


@clip("agree", formula="g' = torch.nn.utils.clip_grad_norm_", source=DOCS, kind="differential", applies=ordinary,
      cost=2)  # fmt: skip
def agree(trial: ClipTrial) -> Observation:
    """The result matches torch.nn.utils.clip_grad_norm_, where that function keeps these rules."""
    truth, own = truth_of(trial), trial.by(torch.nn.utils.clip_grad_norm_).run
    return every(
        near(what, after, other, 2 * truth.allowed(before), (), truth.sides(before, "here", "from torch's"))
        for (what, before, after), (_, _, other) in zip(trial.run.pairs(), own.pairs(), strict=True)
    )
