"""pair.*: what each property catches, the honest rewrites that it lets through, cases, and how a reference is read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import rnncheck
from rnncheck.adapters.pairs import pair_of
from rnncheck.adapters.targets.locate import described
from rnncheck.backend.torch_state import preserved
from rnncheck.catalog import CATALOG
from rnncheck.core.case import CaseError
from rnncheck.core.features import PAIR_FEATURES
from rnncheck.core.pair_case import PairCase
from rnncheck.errors import UsageError
from rnncheck.judging.judge import judge
from rnncheck.judging.shrink import shrink
from rnncheck.repro import script
from rnncheck.running.pair import Pair
from rnncheck.running.pair_draws import DrawnAs
from rnncheck.running.pair_reading import read_pair
from rnncheck.running.pair_trial import PairTrial
from rnncheck.strategies.draw import draw
from rnncheck.strategies.pair import pair_cases
from tests.effort import some
from tests.mutants import MUTANTS
from tests.mutants.clean.references import drawn_states, given_states, kept_state
from tests.mutants.controls.correct import CORRECT, Correct
from tests.mutants.search import subject_of
from tests.repro.test_scripts import ends

KILLS = {
    "pair.agrees": "own-pair-half-inside",
    "pair.every_output": "own-pair-state-transposed",
    "pair.inputs": "own-pair-overwrites-input",
    "pair.fresh": "own-pair-one-buffer",
    "pair.settled": "own-pair-writes-later",
    "pair.fresh_memory": "own-pair-reads-new-memory",
    "pair.repeatable": "own-pair-earlier-output",
    "pair.new_numbers": "own-pair-cached-by-pointer",
    "pair.weights": "own-pair-old-weights",
    "pair.rows": "own-pair-rows-leak",
    "pair.seeds": "own-pair-state-ignored",
    "pair.scales": "own-pair-zeros-where-small",
    "pair.sizes": "own-pair-first-rows",
    "pair.given": "own-pair-tile",
    "pair.long_memory": "own-pair-last-steps",
    "pair.gradients": "own-pair-detached",
}
PAIR = [prop for prop in CATALOG.values() if prop.about == "pair"]
RIGHT = [name for name, correct in CORRECT.items() if correct.kind == "pair"]
RIGHT_MODELS = {name.removeprefix("pair-"): CORRECT[name].target for name in RIGHT}
EXAMPLES = Path(__file__).parents[2] / "examples"
WRONG = f"""
import sys

sys.path.insert(0, {str(EXAMPLES)!r})
from kernel_reference import Model


class ModelNew(Model):
    def forward(self, x):
        result = super().forward(x)
        x.zero_()
        return result
"""
EVERY = frozenset(PAIR_FEATURES)
SCRIPTS = [
    (prop, KILLS[prop]) for prop in ("pair.agrees", "pair.inputs", "pair.fresh", "pair.settled", "pair.weights", "pair.gradients")
]
CHEATS = {bug: mutant for bug, mutant in MUTANTS.items() if mutant.kind == "pair"}


def outcome(prop, subject, case):
    return judge(CATALOG[prop], PairTrial(subject, case))


def test_every_property_has_its_mutant():
    assert [prop.id for prop in PAIR] == list(KILLS)


@pytest.mark.parametrize(("prop", "mutant"), some(KILLS.items(), 4))
def test_a_mutant_is_killed(prop, mutant):
    assert outcome(prop, subject_of(MUTANTS[mutant]), PairCase()).status == "fails"


@pytest.mark.parametrize("name", some(RIGHT, 2))
def test_an_honest_rewrite_is_clean(name):
    trial = PairTrial(subject_of(CORRECT[name]), PairCase())
    found = [judge(prop, trial) for prop in PAIR]
    assert [one for one in found if one.red] == []
    assert sum(one.status == "holds" for one in found) >= 13 - (name == "pair-KeptStep")


@pytest.mark.parametrize("bug", some(sorted(CHEATS.keys() - KILLS.values())))
def test_other_cheats_are_killed_too(bug):
    (prop, *_) = CHEATS[bug].property_hint
    assert outcome(prop, subject_of(CHEATS[bug]), PairCase()).status == "fails"


@pytest.mark.parametrize("case", some(list(draw(pair_cases(EVERY), 9, 0))[1:]), ids=str)
def test_a_rewrite_is_clean_on_drawn_cases(case):
    subject = subject_of(CORRECT["pair-Packed"])
    found = [outcome(prop, subject, case) for prop in ("pair.agrees", "pair.every_output", "pair.rows", "pair.gradients")]
    assert [one for one in found if one.red] == [] and "holds" in {one.status for one in found}


def test_the_axes_of_a_reference_are_found():
    reading = read_pair(pair_of(*map(described, (RIGHT_MODELS["Loop"], given_states.Model))).build)
    assert (reading.rows, reading.steps) == (((0, 0), (1, 1), (2, 1)), ((0, 1),))
    assert reading.permutes == {"output['scores']": 0, "output['state'][0]": 1, "output['state'][1]": 1}
    assert max(size for shape in reading.small for size in shape) <= 12


def test_drawn_states_are_seen_and_a_batch_that_is_fixed_is_not_varied():
    drawn, kept = (read_pair(Pair(described(model), described(model))) for model in (drawn_states.Model, kept_state.Model))
    assert drawn.draws and drawn.rows == ((0, 0),) and not drawn.permutes
    assert not kept.draws and not kept.rows and kept.smaller is not None


def test_a_lower_precision_draws_what_float64_draws():
    with DrawnAs(torch.bfloat16):
        one = torch.empty(20, dtype=torch.float64).uniform_(generator=torch.Generator().manual_seed(0))
    assert torch.equal(one, torch.empty(20).bfloat16().uniform_(generator=torch.Generator().manual_seed(0)).double())


@pytest.mark.parametrize(
    "changes", [{}, {"rows": 3, "steps": 9, "dtype": "float16"}, {"weights": "long", "small": False, "scale": 0.1}]
)
def test_a_case_survives_json(changes):
    case = PairCase(**changes)
    assert PairCase.from_json(json.loads(json.dumps(case.to_json()))) == case


@pytest.mark.parametrize("data", [None, [], {"rows": 0}, {"steps": "many"}, {"weights": "heavy"}, {"scale": 0.0}, {"columns": 3}])
def test_what_is_no_case_is_refused(data):
    with pytest.raises((CaseError, ValueError)):
        PairCase.from_json(data)


def test_shrinking_ends_at_the_simplest_case():
    wrong = subject_of(MUTANTS["own-pair-state-transposed"])
    case = PairCase(rows=5, weights="large", scale=10.0, grad=True, seed=7)
    assert shrink(case, lambda one: outcome("pair.every_output", wrong, one).red).case == PairCase()


@pytest.mark.parametrize(("prop", "bug"), some(SCRIPTS))
def test_a_script_fails_by_itself_and_passes_once_mended(prop, bug):
    mutant = MUTANTS[bug]
    subject = replace(subject_of(mutant), source="build = MUTANT")
    with preserved():
        text = script(subject, CATALOG[prop], PairCase(), outcome(prop, subject, PairCase()))
    assert type(ends(text, mutant, mutant.target)) is AssertionError
    assert ends(text, mutant, mutant.clean) is None


class TwoSizes(nn.Module):
    """Takes less than the reference does."""

    def __init__(self, features, hidden):
        super().__init__()


class OtherWeights(given_states.Model):
    """Its head is larger."""

    def __init__(self, features, hidden, layers, classes):
        super().__init__(features, hidden, layers, classes + 1)


@pytest.mark.parametrize(("target", "against", "why"), [
    (TwoSizes, given_states.Model, "should take what the reference takes: TwoSizes(6, 9, 2, 5)"),
    (OtherWeights, given_states.Model, "its state_dict has no head.weight of shape (5, 9)"),
    (given_states.Model, None, "has no reference; write verify candidate.py:ModelNew --against reference.py:Model"),
    (given_states.Model, nn.LSTM, "its module has no get_inputs()"),
    (len, given_states.Model, "should be a class of torch.nn.Module"),
])  # fmt: skip
def test_what_is_no_pair_is_refused_in_one_line(target, against, why):
    with pytest.raises(UsageError) as told:
        rnncheck.verify(target, against=against, kind="pair", engine="inline", max_examples=1)
    assert why in str(told.value) and "\n" not in str(told.value)


def test_a_reference_without_tensors_is_refused(tmp_path):
    lines = ["import torch", "class Model(torch.nn.Module):", "    pass", "get_inputs = get_init_inputs = list"]
    (tmp_path / "empty_reference.py").write_text("\n".join(lines))
    name = f"{tmp_path}/empty_reference.py:Model"
    with pytest.raises(UsageError, match=r"get_inputs\(\) returns no tensor, but should return the inputs of forward"):
        rnncheck.verify(name, against=name, engine="inline", max_examples=1)


def test_a_pair_is_known_by_its_reference_and_verified():
    right, wrong = RIGHT_MODELS["Renamed"], MUTANTS["own-pair-overwrites-input"].target
    options = {"against": given_states.Model, "properties": "pair.agrees,pair.inputs", "max_examples": 2, "engine": "inline"}
    clean, red = rnncheck.verify(right, **options), rnncheck.verify(wrong, **options)
    assert clean.exit_code == 0 and "batch axis 0 of input 0" in clean.subjects[0].reading
    assert red.exit_code == 1 and [verdict.property for _, verdict in red.failures] == ["pair.inputs"]


def test_a_feature_that_the_candidate_does_not_claim_is_left_out():
    class Inference(RIGHT_MODELS["Renamed"]):
        """Without gradients."""

        rnncheck_claims = {"pair_gradients": False}

        def forward(self, *inputs):
            with torch.no_grad():
                return super().forward(*inputs)

    subject = subject_of(Correct(Inference, given_states.Model, "pair", ()))
    assert outcome("pair.gradients", subject, PairCase()).status == "not_claimed"


def test_the_example_is_clean():
    names = [f"{EXAMPLES}/kernel_{name}" for name in ("candidate.py:ModelNew", "reference.py:Model")]
    report = rnncheck.verify(names[0], against=names[1], properties="pair.agrees,pair.rows", max_examples=1, engine="inline")
    assert report.exit_code == 0 and "batch axis 0 of input 0" in report.subjects[0].reading


def test_pytest_items_of_a_pair_are_those_of_its_family():
    mark = rnncheck.parametrize(RIGHT_MODELS["Loop"], against=given_states.Model)
    assert [item.id for item in mark.args[1]] == list(KILLS)


def test_a_stored_case_is_tried_again(tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    names, options = (
        [f"{tmp_path}/wrong.py:ModelNew", f"{EXAMPLES}/kernel_reference.py:Model"],
        {"max_examples": 1, "engine": "inline"},
    )
    for _ in range(2):
        report = rnncheck.verify(names[0], against=names[1], properties="pair.inputs", folder=tmp_path, **options)
        ((_, verdict),) = report.failures
        assert report.exit_code == 1 and verdict.verdict == "fails"
    (stored,) = (tmp_path / "failing").iterdir()
    with pytest.raises(AssertionError, match="inputs changed by the call = input 0"):
        rnncheck.check_case(names[0], "pair.inputs", stored, against=names[1], engine="inline")


def test_what_the_reference_has_computed_is_not_found_in_free_memory():
    trial = PairTrial(subject_of(MUTANTS["own-pair-computes-nothing"]), PairCase(dtype="float64"))
    for _ in range(2):
        (budget,) = trial.budgets()
        (found,) = trial.played(("input",))
        assert found["output"].shape == budget.truth["output"].shape and bool(found["output"].isnan().all())
        assert outcome("pair.agrees", trial.subject, trial.case).status == "fails"
