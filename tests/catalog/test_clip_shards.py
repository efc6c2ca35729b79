"""clip.shards: two ranks share the gradients, as DTensors or as lists; what is claimed, what is told, and what is left behind."""

import os
import re
import socket
import time
from math import inf

import pytest
import torch

import rnncheck
from rnncheck.adapters.clip_functions import clip_function, probed, torch_clip
from rnncheck.campaign.order import DEAR
from rnncheck.catalog import CATALOG
from rnncheck.clip import clip_grad_norm_
from rnncheck.core.clip_case import ClipCase, Gradient
from rnncheck.judging.judge import judge
from rnncheck.running import ranks
from rnncheck.running.clip_trial import ClipTrial
from rnncheck.system.descendants import children
from rnncheck.system.side_by_side import side_by_side
from tests.effort import some
from tests.mutants import MUTANTS

SHARDS = CATALOG["clip.shards"]
PLAIN = ClipCase((Gradient((3, 2)), Gradient((5,))))
ONE_ROW = ClipCase((Gradient((3, 2)), Gradient((1,))))
RUNS = torch.distributed.is_available() and torch.distributed.is_gloo_available() and hasattr(os, "fork")
pytestmark = [
    pytest.mark.skipif(not RUNS, reason="torch.distributed cannot run here"),
    pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore:`parameters` is an empty generator"),
]


def outcome(function, case=PLAIN):
    subject = function if not callable(function) else probed(clip_function(function, function.__name__))
    return judge(SHARDS, ClipTrial(subject, case))


def grads(parameters):
    return [p.grad for p in parameters if p.grad is not None]


def by_tensors(parameters, max_norm):
    """A loop without .item(): right for shards as it is."""
    parameters = list(parameters)
    norm = torch.stack([g.norm() for g in grads(parameters)]).norm()
    for gradient in grads(parameters):
        gradient.mul_(torch.clamp(max_norm / (norm + 1e-6), max=1.0))
    return norm


def by_reduction(parameters, max_norm):
    """Adds up the squares of all ranks, of a copy a half on each."""
    parameters = list(parameters)
    squares = torch.zeros((), dtype=torch.float64)
    for gradient in grads(parameters):
        own = gradient.to_local() if hasattr(gradient, "to_local") else gradient
        copies = 2 if hasattr(gradient, "placements") and gradient.placements[0].is_replicate() else 1
        squares += own.double().square().sum() / copies
    if hasattr(grads(parameters)[0], "placements"):
        torch.distributed.all_reduce(squares)
    norm = float(squares) ** 0.5
    for gradient in grads(parameters):
        gradient.mul_(min(1.0, max_norm / norm))
    return norm


def in_two_calls(parameters, max_norm):
    parameters = list(parameters)
    norm = torch.nn.utils.get_total_norm(grads(parameters))
    torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return norm


def by_lists(lists, max_norm):
    """Takes a list for each rank, and nothing else."""
    if not all(isinstance(part, list) for part in lists):
        raise TypeError("a list of lists, please")
    return clip_grad_norm_([p for part in lists for p in part], max_norm)


@pytest.mark.parametrize(
    "function", some([by_tensors, by_reduction, in_two_calls, by_lists, clip_grad_norm_], 2), ids=lambda f: f.__name__
)
def test_right_ones_hold(function):
    cases = [PLAIN, ONE_ROW, ClipCase((Gradient((1, 3)), Gradient(()), Gradient((2,), missing=True)))]
    assert [(found.status, found.mismatches) for case in cases for found in [outcome(function, case)]] == 3 * [("holds", ())]


@pytest.mark.parametrize("bug", [bug for bug, mutant in MUTANTS.items() if mutant.property_hint == ("clip.shards",)])
def test_every_bug_of_shards_is_found_on_a_plain_case(bug):
    case = ONE_ROW if bug == "own-clip-empty-rank-leaves" else PLAIN
    assert outcome(MUTANTS[bug].target, case).status == "fails"


def by_floats(parameters, max_norm):
    """What is on every second page about clipping; .item() of a DTensor is the local shard's."""
    parameters = list(parameters)
    norm = sum(g.norm().item() ** 2 for g in grads(parameters)) ** 0.5
    for gradient in grads(parameters):
        gradient.mul_(min(1.0, max_norm / (norm + 1e-6)))
    return norm


def test_a_loop_that_knows_nothing_of_ranks_is_warned_of():
    found = outcome(by_floats)
    assert found.status == "fails"
    assert all(
        "each rank clips by the norm of its own shards, but should be by the norm of all" in line for line in found.mismatches
    )
    assert SHARDS.warns_of(found.mismatches)
    assert SHARDS.warns_of(outcome(MUTANTS["own-clip-copies-count-twice"].target).mismatches) is None


def test_torch_leaves_a_rank_waiting_that_holds_nothing():
    found = outcome(torch_clip(), ONE_ROW.but(norm_type=inf))
    assert found.status == "fails" and re.search(r"inf(inity)? norm.*\(rank 1\)", found.mismatches[0])
    assert outcome(torch_clip(), ONE_ROW).status == "holds"


def refuses(parameters, max_norm):
    if any(hasattr(g, "placements") for g in grads(list(parameters))):
        raise TypeError("no DTensors, please")
    return torch.nn.utils.clip_grad_norm_(parameters, max_norm)


def refuses_shards(parameters, max_norm):
    if any(hasattr(g, "placements") and not g.placements[0].is_replicate() for g in grads(parameters)):
        raise TypeError("no shards, please")
    return torch.nn.utils.clip_grad_norm_(parameters, max_norm)


@pytest.mark.parametrize("function", [refuses, refuses_shards])
def test_a_refusal_on_all_ranks_is_no_claim(function):
    found = outcome(function)
    assert found.status == "not_claimed" and "please" in found.reason


@pytest.mark.parametrize(
    ("owner", "name", "value", "says"),
    [
        (torch.distributed, "is_available", lambda: False, "built without torch.distributed"),
        (torch.distributed, "is_gloo_available", lambda: False, "built without torch.distributed and gloo"),
        (torch.distributed, "is_initialized", lambda: True, "a rank of a process group"),
        (socket, "if_nameindex", lambda: [(2, "eth0")], "no loopback interface"),
        (ranks, "_begin", lambda store, rank: 1 / 0, "torch.distributed cannot run here: ZeroDivisionError"),
    ],
)
def test_where_it_cannot_run_it_is_not_claimed(monkeypatch, owner, name, value, says):
    monkeypatch.setattr(owner, name, value)
    found = outcome(torch_clip())
    assert found.status == "not_claimed" and says in found.reason
    assert outcome(by_lists).status == "holds"  # they need no processes


def test_a_rank_that_waits_for_ever_is_ended_and_told(monkeypatch):
    monkeypatch.setattr(ranks, "SECONDS", 4.0)

    def stuck(parameters, max_norm):
        if hasattr(grads(parameters)[0], "placements") and torch.distributed.get_rank() == 1:
            time.sleep(1000)
        return clip_grad_norm_(parameters, max_norm)

    before, started = children(os.getpid()), time.monotonic()
    found = outcome(stuck)
    assert found.status == "fails" and "did not end within 4 s" in found.mismatches[0]
    assert time.monotonic() - started < 30
    assert children(os.getpid()) <= before


def test_a_rank_that_dies_is_told():
    def dies(parameters, max_norm):
        if hasattr(grads(parameters)[0], "placements") and torch.distributed.get_rank() == 1:
            os._exit(7)
        return clip_grad_norm_(parameters, max_norm)

    (line, *_) = outcome(dies).mismatches
    assert "exit code 7" in line


def test_nothing_is_left_in_this_process():
    before = children(os.getpid())
    assert outcome(clip_grad_norm_).status == "holds"
    assert children(os.getpid()) <= before
    assert not torch.distributed.is_initialized() and "GLOO_SOCKET_IFNAME" not in os.environ


def test_it_is_no_part_of_a_first_look_at_each_case():
    assert SHARDS.cost >= DEAR


def test_the_warning_is_in_the_report(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def clip(parameters, max_norm):\n"
        "    grads = [p.grad for p in parameters if p.grad is not None]\n"
        "    norm = sum(float(g.double().square().sum()) for g in grads) ** 0.5\n"
        "    for g in grads:\n"
        "        g.mul_(min(1.0, max_norm / norm) if norm else 1.0)\n"
        "    return norm\n"
    )
    report = rnncheck.verify(f"{tmp_path}/mine.py:clip", properties="clip.shards", engine="inline", max_examples=1)
    (verdict,) = (verdict for subject in report.subjects for verdict in subject.verdicts)
    assert verdict.verdict == "warns" and "its own shards" in verdict.reason


@pytest.mark.skipif(not hasattr(torch.cpu.Stream, "record_event"), reason="FSDP2 of torch 2.6 needs an accelerator")
def test_a_model_of_fsdp2_is_clipped_as_a_whole(tmp_path):
    """Backward of fully_shard, ours and torch's clip functions, against the gradient of the whole batch on one process."""
    torch.manual_seed(0)
    module, x = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Linear(5, 1)), torch.randn(4, 3)
    module(x).square().mean().backward()
    whole = [p.grad.clone() for p in module.parameters()]
    norm = torch.cat([g.flatten() for g in whole]).norm()

    def work(rank):
        from torch.distributed.fsdp import fully_shard

        torch.set_num_threads(1)
        mesh = ranks._begin(tmp_path / "store", rank)
        fully_shard(module, mesh=mesh)
        for clip in (clip_grad_norm_, torch.nn.utils.clip_grad_norm_):
            module.zero_grad()
            module(x[2 * rank : 2 * rank + 2]).square().mean().backward()
            told = ranks._whole(clip(module.parameters(), float(norm) / 2))
            torch.testing.assert_close(told, norm)
            for p, gradient in zip(module.parameters(), whole, strict=True):
                torch.testing.assert_close(p.grad.full_tensor(), gradient / 2, rtol=1e-5, atol=1e-6)

    assert side_by_side(2, work, 60.0) == [None, None]
