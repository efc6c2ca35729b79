"""A stored case may be from anybody: what it names is not imported unasked, and what cannot be built here is not reached."""

import json
import sys
from pathlib import Path

import pytest

from rnncheck.campaign.replay import check_case, replay
from rnncheck.errors import UsageError
from rnncheck.report import Failed
from tests.files.test_files import CASE, WHOLE

RUNS = "from pathlib import Path\nPath({mark!r}).touch()\nfrom torch.nn import GRU as A\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a layer, and a layer elsewhere; each leaves a mark where it is imported."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    for place in ("here", "there"):
        (tmp_path / place / f"mine_{place}.py").write_text(RUNS.format(mark=str(tmp_path / f"{place}.ran")))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def stored_in(folder: Path, **changes) -> Path:
    (folder / "x.json").write_text(json.dumps({**WHOLE, "case": CASE, **changes}))
    return folder / "x.json"


def test_a_file_from_elsewhere_runs_nothing_unless_it_is_trusted(project):
    outer = f"{project}/there/mine_there.py:A"
    for changes in ({"target": outer}, {"target": "../there/mine_there.py:A"}, {"against": outer}, {"target": "os:system"},
                    {"target": "torch.hub:load"}, {"target": "__main__:A"}):  # fmt: skip
        file = stored_in(project, **changes)
        with pytest.raises(UsageError, match="outside of this folder .* add --trust"):
            replay(file, engine="inline")
        assert replay(file, "torch.nn.GRU", engine="inline").verdict.verdict == "holds"  # with a target, of the file only the case
        check_case("torch.nn.GRU", "time.split", file, engine="inline")
    assert not (project / "there.ran").exists()
    told = []
    assert replay(stored_in(project, target=outer), engine="inline", trust=True, tell=told.append).verdict.verdict == "holds"
    assert (project / "there.ran").exists() and told[0].startswith(f"importing {outer}, as ")


def test_a_link_out_of_the_project_leads_outside(project):
    (project / "here" / "link.py").symlink_to(project / "there" / "mine_there.py")
    with pytest.raises(UsageError, match="outside of this folder"):
        replay(stored_in(project, target="link.py:A"), engine="inline")
    (project / "here" / ".venv" / "site-packages").mkdir(parents=True)
    (project / "here" / ".venv" / "site-packages" / "m.py").write_text("raise SystemExit")
    with pytest.raises(UsageError, match="outside of this folder"):
        replay(stored_in(project, target=".venv/site-packages/m.py:A"), engine="inline")


@pytest.mark.parametrize("target", ["mine_here.py:A", "mine_here:A", "mine_here.A"])
def test_what_is_inside_the_project_is_imported_and_said_so(project, target, monkeypatch):
    told = []
    monkeypatch.delitem(sys.modules, "mine_here", raising=False)
    done = replay(stored_in(project, target=target), engine="inline", tell=told.append)
    assert done.verdict.verdict == "holds" and (project / "here.ran").exists() and told


def test_a_reference_is_the_one_that_is_named(project):
    file = stored_in(project, property="agree.against", against=f"{project}/there/mine_there.py:A")
    done = replay(file, "torch.nn.GRU", "inline").verdict
    assert done.verdict == "not_applicable" and "as the reference: add --against" in done.reason
    assert replay(file, "torch.nn.GRU", "inline", against="torch.nn.GRU").verdict.verdict == "holds"
    assert not (project / "there.ran").exists()


@pytest.mark.parametrize(
    ("case", "says"),
    [({"device": "cuda:9"}, "there is no device cuda:9 here"), ({"device": "xpu"}, "there is no device xpu here"),
     ({"config": {**CASE["config"], "hidden_size": 150_000}}, "GiB of memory, but")],
)  # fmt: skip
def test_what_cannot_be_built_here_is_not_reached(project, case, says):
    file = stored_in(project, target="mine_here.py:A", case={**CASE, **case})
    done = replay(file, engine="inline")
    assert done.verdict.verdict == "not_reached" and says in done.verdict.reason
    assert not (project / "here.ran").exists()
    with pytest.raises(Failed, match="was not checked"):
        check_case("torch.nn.GRU", "time.split", json.loads(file.read_text())["case"], engine="inline")


@pytest.mark.parametrize(
    ("changes", "target"),
    [({"property": "clip.bound"}, None), ({"property": "clip.bound"}, "torch.nn.GRU"), ({}, "torch.nn.utils:clip_grad_norm_")],
)
def test_a_case_of_another_kind_than_the_target_is_wrong_usage(project, changes, target):
    with pytest.raises(UsageError, match="should be of the target's kind"):
        replay(stored_in(project, **changes), target, engine="inline")
    with pytest.raises(UsageError, match="kind"):
        check_case(target or "torch.nn.GRU", "clip.bound" if target is None else "time.split", stored_in(project, **changes))
