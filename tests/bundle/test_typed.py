"""Typed recurrences in a bundle: their own numbers go with them, and what is allowed is measured on both sides."""

from functools import cache
from itertools import islice

import pytest

from examples.gated_linear_attention import chunked, loop
from rnncheck import UsageError
from rnncheck.bundle import diff, read, record, write
from rnncheck.bundle.record import recording
from rnncheck.faces.bundles import diff_command, record_command
from tests.adapters.support import claimed
from tests.bundle.support import verdicts
from tests.effort import at_night, only_nightly
from tests.typed.cases import small

LONG = 20
"""Steps that take long to record, and show nothing more here."""
RIGHT, MISTAKEN = "tests/typed/right.py", "tests/typed/mistaken.py"


@cache
def settled(target, **how):
    return claimed(target, **how)


def recorded(subject, count=2):
    planned = (case for case in small(subject, ("float64", "float32", "bfloat16")) if case.time < LONG)
    return recording(subject, "cpu", 0, list(islice(planned, count)))


def statuses(bundle, other):
    found = {id: one.verdict for id, one in verdicts(diff(bundle, other, engine="inline")).items()}
    assert "bundle.truth" not in found  # no equations say it
    return found


SAME = {"bundle.results": "holds", "bundle.gradients": "holds"}


@pytest.mark.parametrize(
    ("target", "how"),
    [(chunked, {}), (f"{RIGHT}:HeadNorm", {}), (f"{RIGHT}:untyped", {"typed": f"{RIGHT}:stub"}), (f"{RIGHT}:by_offsets", {})],
    ids=["function", "module", "stub", "offsets"],
)
def test_the_same_again_through_a_file(target, how, tmp_path):
    subject = settled(target, **how)
    in_memory = recorded(subject, at_night(8, 5))
    write(in_memory, tmp_path / "b.safetensors")
    bundle = read(tmp_path / "b.safetensors")
    assert statuses(bundle, subject) == SAME
    assert statuses(bundle, in_memory) == SAME


def test_its_parameters_are_those_that_were_recorded():
    """Whatever numbers the other machine draws."""
    subject = settled(f"{RIGHT}:HeadNorm")
    bundle = recorded(subject)
    for one in bundle.recorded:
        assert "layer.weight" in one.measured.numbers
        for number in one.measured.numbers.values():
            number.add_(1.0)
    assert statuses(bundle, subject)["bundle.results"] == "fails"


def test_a_mistake_is_red():
    right, wrong = recorded(settled(chunked)), settled(f"{MISTAKEN}:state_without_decay")
    assert statuses(right, wrong)["bundle.results"] == "fails"
    assert statuses(right, recorded(wrong))["bundle.results"] == "fails"


def test_another_module_has_other_parameters():
    ours, others = settled(f"{RIGHT}:HeadNorm"), settled(f"{RIGHT}:HeadNorm")
    bundle = recorded(ours)
    for one in bundle.recorded:
        one.measured.numbers["layer.gain"] = one.measured.numbers.pop("layer.weight")
    found = verdicts(diff(bundle, others, engine="inline"))["bundle.results"]
    assert found.verdict == "fails" and "names and shapes of parameters" in found.mismatch and "layer.weight" in found.mismatch


def test_other_tensors_are_refused():
    with pytest.raises(UsageError, match="other named tensors or options than it has"):
        diff(recorded(settled(chunked)), settled(loop), engine="inline")


@only_nightly
def test_a_stub_on_the_command_line(tmp_path, capsys):
    path = str(tmp_path / "u.safetensors")
    said = [f"{RIGHT}:untyped", "--typed", f"{RIGHT}:stub"]
    assert record_command.main([*said, "-o", path, "--max-examples", "3"], standalone_mode=False) == 0
    assert diff_command.main([path, *said, "--engine", "inline"], standalone_mode=False) == 0
    assert "PASS   2 properties on 3 cases" in capsys.readouterr().out


def test_a_stub_in_python():
    bundle = record(f"{RIGHT}:untyped", typed=f"{RIGHT}:stub", max_examples=2)
    assert bundle.subject == f"{RIGHT}:untyped typed by {RIGHT}:stub"
