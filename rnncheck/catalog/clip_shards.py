"""What must hold of a clip function whose gradients are shared among ranks: as DTensors, or as a list for each rank."""

from collections.abc import Sequence

from torch import Tensor

from rnncheck.catalog.clip import clip
from rnncheck.catalog.tools.clip_conditions import halved, norm_told, on_cpu, ordinary, scaled, some, truth_of
from rnncheck.catalog.tools.clip_deeds import clipped_in_lists
from rnncheck.core.observation import Observation, equal, every, fact
from rnncheck.core.subject import NotClaimed
from rnncheck.running.clip_trial import Clipped, ClipTrial
from rnncheck.running.clip_truth import ClipTruth, clip_truth
from rnncheck.running.ranks import CLIPPED, RANKS, Axes, Call, NoRanks, on_ranks, shard_of

OWN = "each rank clips by the norm of its own shards"
"""The convention of a function that knows nothing of ranks, and may never meet any."""


@clip("shards", formula="clip(shards of g) = shards of clip(g), in two processes", kind="metamorphic",
      source="torch.distributed.fsdp.fully_shard; facebookresearch/fairscale#167", applies=ordinary & some & on_cpu,
      cost=1000, convention=f"DTensors: {OWN}, not of all", lenient=OWN)  # fmt: skip
def shards(trial: ClipTrial) -> Observation:
    """Which rank holds what changes nothing: shards or copies, as DTensors in two processes, or as a list for each rank."""
    t = halved(trial, passed_as="list")
    truth = truth_of(t, shards=True)
    listed = _in_lists(t, truth)
    try:
        return listed & _as_dtensors(t, truth)
    except NotClaimed:
        if not listed.parts:
            raise
        return listed


def _as_dtensors(trial: ClipTrial, truth: ClipTruth) -> Observation:
    """Every rank holds its part of the clipped gradients; raises NotClaimed where all refuse them, or nothing can run."""
    ways = ways_to_share(trial)
    try:
        calls = on_ranks(trial, list(ways.values()))
    except NoRanks as reason:
        raise NotClaimed(str(reason)) from None
    seen = Observation()
    for (way, axes), call in zip(ways.items(), calls, strict=False):
        if call.refused and seen.holds:
            raise NotClaimed(f"DTensors, {way}: {call.raised}")
        seen &= _on_each_rank(trial, call, truth, way, axes)
    return seen


def ways_to_share(trial: ClipTrial) -> dict[str, Axes]:
    """In words, and along which axis each gradient is cut: none, all along the first, and some along any."""
    axes = [0 if gradient is None else gradient.dim() for gradient in trial.gradients]
    drawn = [trial.draw(f"axis of gradient {place}", 0, of) for place, of in enumerate(axes)]
    return {
        "each rank a copy": [None for _ in axes],
        "rows shared": [0 if of else None for of in axes],
        "some shared": [axis - 1 if axis else None for axis in drawn],
    }


def _on_each_rank(trial: ClipTrial, call: Call, truth: ClipTruth, way: str, axes: Axes) -> Observation:
    if call.raised is not None:
        return equal(way, call.raised, CLIPPED)
    seen = every(_clipped(trial, run, truth, f"{way}, rank {rank}: ") for rank, run in enumerate(call.ranks))
    if not seen.holds and all(_by_itself(trial, run, axes, rank) for rank, run in enumerate(call.ranks)):
        return fact(way, False, OWN, "by the norm of all")
    return seen


def _by_itself(trial: ClipTrial, run: Clipped, axes: Axes, rank: int) -> bool:
    """Whether this rank's shards are clipped as if they were all that there is."""
    pairs = [(axis, b, a) for axis, b, a in zip(axes, run.before, run.after, strict=True) if b is not None and a is not None]
    before, after = [shard_of(b, axis, rank) for axis, b, _ in pairs], [shard_of(a, axis, rank) for axis, _, a in pairs]
    own = clip_truth(before, trial.case.max_norm, trial.case.norm_type, shards=True)
    return scaled(Clipped(before, after, None), own).holds


def _in_lists(trial: ClipTrial, truth: ClipTruth) -> Observation:
    """A list for each rank, with halves of every gradient, and with every second gradient; nothing where that is not offered."""
    if not trial.subject.offers("nested"):
        return Observation()
    present = trial.present
    halves = [[g.reshape(-1).chunk(RANKS)[rank] for g in present if g.numel() >= RANKS] for rank in range(RANKS)]
    halves[0] += [g.reshape(-1) for g in present if g.numel() < RANKS]
    ways = {"lists of halves": halves, "lists of gradients": [present[rank::RANKS] for rank in range(RANKS)]}
    return every(_listed(trial, lists, truth, f"{way}: ") for way, lists in ways.items() if all(lists))


def _listed(trial: ClipTrial, lists: Sequence[Sequence[Tensor]], truth: ClipTruth, way: str) -> Observation:
    seen = trial.do(clipped_in_lists, tuple(tuple(g.clone() for g in part) for part in lists))
    before = [gradient for part in lists for gradient in part]
    return _clipped(trial, Clipped(before, seen["gradients"], seen["returned"]), truth, way)


def _clipped(trial: ClipTrial, run: Clipped, truth: ClipTruth, way: str) -> Observation:
    told = norm_told(run, truth, way) if trial.subject.offers("returned_norm") else Observation()
    return scaled(run, truth, way) & told
