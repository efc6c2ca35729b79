"""Ray, at night on a cluster of two nodes that are both this machine. Skipped, visibly, where Ray is not installed."""

import ctypes
import os
import time
from dataclasses import replace

import pytest

from rnncheck.core.subject import Claim
from rnncheck.engine import Inline, Job, make_engine
from rnncheck.errors import UsageError
from tests.effort import only_nightly
from tests.engine.support import CASES, IDS, at, gru, judging, misbehaving, results, told, workshop

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'rnncheck[ray]'")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=1, num_gpus=1)
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()


def crash():
    ctypes.string_at(0)


def nap():
    time.sleep(0.3)


@only_nightly
def test_the_same_as_inline_and_a_crash_on_a_node(cluster):
    shop = workshop(gru(), misbehaving(crash))
    engine = make_engine("ray", shop, address=cluster.address)
    done = results(engine, [judging(i, i % 2, ids=IDS[:2]) for i in range(4)])
    inline = results(Inline(shop), [judging(0, 0, ids=IDS[:2])])
    assert [d.job.index for d in done] == [0, 1, 2, 3]
    assert told(done[0]) == told(done[2]) == told(inline[0])
    assert done[0].outcomes == inline[0].outcomes
    for crashed in (done[1], done[3]):
        assert at(crashed, 1)[IDS[0]][0] == "crashed"
        assert "SIGSEGV" in at(crashed, 1)[IDS[0]][1]


@only_nightly
def test_a_node_is_killed_and_nothing_is_lost(cluster):
    shop = workshop(misbehaving(nap))
    lost = cluster.add_node(num_cpus=1, num_gpus=0)
    cluster.wait_for_nodes()
    engine = make_engine("ray", shop, address=cluster.address)
    coming = engine.run(judging(i, 0, CASES[:2], IDS[:1]) for i in range(5))
    done = [next(coming)]
    cluster.remove_node(lost, allow_graceful=False)
    done += list(coming)
    engine.close()
    assert [d.job.index for d in done] == list(range(5))
    assert all(told(d) == [(0, IDS[0], "holds"), (1, IDS[0], "holds")] for d in done)
    assert [d.lost for d in done] == [None] * 5


@only_nightly
def test_a_job_on_a_gpu_gets_a_device_of_its_own(cluster):
    """Ray's pretended GPUs suffice to see which one a task is given."""

    def visible(subject):
        return {"batched": Claim(True, "probed", os.environ.get("CUDA_VISIBLE_DEVICES", ""))}

    shop = replace(workshop(gru()), probe=visible)
    jobs = [Job(i, "probe", 0, (replace(CASES[0], device="cuda"),)) for i in range(2)]
    done = results(make_engine("ray", shop, address=cluster.address), jobs)
    assert [d.claims["batched"].why for d in done] == ["0"] * 2


def test_no_cluster_at_that_address():
    with pytest.raises(UsageError, match="no cluster answers at 127.0.0.1:1"):
        make_engine("ray", workshop(gru()), address="127.0.0.1:1")
