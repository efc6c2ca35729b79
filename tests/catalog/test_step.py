"""step.*: cases, truth, what each property catches, what it lets through, and what the mistakes are called."""

import json
from itertools import islice
from math import inf

import pytest
import torch

import rnncheck
from rnncheck.adapters.step_functions import probed_step, step_function
from rnncheck.catalog import CATALOG
from rnncheck.core.case import CaseError
from rnncheck.core.step_case import StepCase
from rnncheck.core.subject import Malformed
from rnncheck.diagnosis import known_mistake
from rnncheck.errors import UsageError
from rnncheck.judging.judge import judge
from rnncheck.judging.shrink import shrink
from rnncheck.running.step_models import make_optimizer
from rnncheck.running.step_trial import StepTrial, build_model
from rnncheck.running.step_truth import gradients, step_truth
from rnncheck.strategies.draw import draw
from rnncheck.strategies.plan import plan
from rnncheck.strategies.step import step_cases
from tests.effort import some
from tests.mutants import MUTANTS
from tests.mutants.planted.steps import RIGHT, clip_, step
from tests.mutants.search import subject_of

KILLS = {
    "step.formula": "own-step-clips-after-step",
    "step.bound": "own-step-clips-after-step",
    "step.direction": "own-step-clips-by-value",
    "step.micro_batches": "own-step-clips-each-micro-batch",
    "step.unequal": "own-step-mean-of-means",
    "step.loss_scale": "own-step-next-scale",
    "step.scales_agree": "own-step-clips-scaled",
    "step.several": "own-step-zero-grad-forgotten",
    "step.groups": "own-step-clips-each-group",
    "step.frozen": "own-step-thaws",
    "step.momentum": "own-step-clips-the-update",
    "step.adam": "own-step-clips-the-update",
    "step.once": "own-step-steps-each-micro-batch",
    "step.nonfinite": "own-step-does-not-skip",
    "step.returns_norm": "own-step-returns-norm-after",
    "step.mode": "own-step-sets-train",
    "step.autocast": "own-step-leaves-autocast",
}
CASES = [
    StepCase(), StepCase(sizes=(2, 2), groups=2, scale=1024.0), StepCase("recurrent", (2, 2), scale=65536.0, optimizer="AdamW"),
    StepCase("recurrent", (1, 1, 1), bound=2.0, kernels="foreach", dtype="float64"),
    StepCase(optimizer="momentum", kernels="fused", frozen=True, bound=0.1),
]  # fmt: skip
STEP = [prop for prop in CATALOG.values() if prop.about == "step"]
NAMES = {
    "own-step-clips-after-step": "the gradients are clipped after the optimizer's step",
    "own-step-clips-scaled": "the gradients are clipped before the loss scale is taken out",
    "own-step-next-scale": "the loss scale of the next step is taken out",
    "own-step-clips-each-micro-batch": "the gradients are clipped once per micro-batch",
    "own-step-clips-each-group": "each parameter group is clipped by itself",
    "own-step-clips-each-parameter": "each parameter is clipped by itself",
    "own-step-clips-by-value": "each number is clipped, instead of the norm",
    "own-step-zero-grad-forgotten": "the gradients of earlier steps are never set to zero",
    "own-step-last-micro-batch": "only the last micro-batch counts",
    "own-step-mean-of-means": "micro-batches of unequal sizes count the same",
    "own-step-adds-micro-batches": "the gradients of the micro-batches are added, not averaged",
    "own-step-scales-up": "the gradients are scaled up to max_norm where they are smaller",
    "own-step-steps-each-micro-batch": "the optimizer makes a step after each micro-batch",
}


def subject(function):
    return probed_step(step_function(function, function.__name__))


def outcomes(prop, target):
    found = (judge(prop, StepTrial(target, case)) for case in CASES)
    return [outcome for outcome in found if outcome.status not in ("not_applicable", "not_claimed")]


def test_every_property_has_its_mutant():
    assert [prop.id for prop in STEP] == list(KILLS)


@pytest.mark.parametrize(("prop", "mutant"), KILLS.items())
def test_a_mutant_is_killed(prop, mutant):
    assert "fails" in {outcome.status for outcome in outcomes(CATALOG[prop], subject_of(MUTANTS[mutant]))}


@pytest.mark.parametrize("function", some(RIGHT, 2), ids=lambda function: function.__name__)
def test_a_right_step_is_clean(function):
    target = subject(function)
    cases = [case.but(reduction="sum" if target.offers("sum_losses") else "mean") for case in CASES[:3]]
    found = [judge(prop, StepTrial(target, case)) for prop in STEP for case in cases]
    assert [outcome for outcome in found if outcome.red] == []
    assert sum(outcome.status == "holds" for outcome in found) >= 5 * (1 + target.offers("accumulation"))


@pytest.mark.parametrize(("mutant", "words"), some(NAMES.items(), 3))
def test_a_mistake_is_named(mutant, words):
    assert known_mistake(StepTrial(subject_of(MUTANTS[mutant]), CASES[0])) == words


def test_that_only_the_first_group_is_clipped_is_named():
    def first_group(model, batches, optimizer, max_norm):
        optimizer.zero_grad()
        (sum(model(batch) * len(batch) for batch in batches) / sum(map(len, batches))).backward()
        clip_(optimizer.param_groups[0]["params"], max_norm)
        optimizer.step()

    assert known_mistake(StepTrial(subject(first_group), CASES[0])) == "only the first parameter group is clipped"


@pytest.mark.parametrize("function", [step, RIGHT[1]], ids=lambda function: function.__name__)
def test_a_right_step_makes_no_mistake(function):
    assert known_mistake(StepTrial(subject(function), CASES[0])) is None


def test_the_truth_is_the_clipped_gradient_of_the_whole_batch():
    case = StepCase("recurrent", (3, 1), bound=0.25)
    model, trial = build_model(case).double(), StepTrial(subject(step), case)
    (model(trial.rows)).backward()
    whole = torch.cat([p.grad.flatten() for p in model.parameters()])
    truth = trial.truth
    torch.testing.assert_close(torch.cat([g.flatten() for g in truth.gradient.values()]), whole, rtol=1e-12, atol=1e-14)
    applied = torch.cat([truth.applied(name).flatten() for name in truth.gradient])
    torch.testing.assert_close(applied, whole / 4, rtol=1e-5, atol=0)
    together = sum(share * part["head.bias"] for share, part in zip(truth.shares, truth.parts, strict=True))
    torch.testing.assert_close(together, truth.gradient["head.bias"])


@pytest.mark.parametrize("case", [StepCase("recurrent", (4,)), StepCase("linear", (1, 1, 1, 1))], ids=str)
def test_what_rounding_does_is_allowed_and_little_more(case):
    for seed in range(8):
        model = build_model(case.but(seed=seed))
        batches = StepTrial(subject(step), case.but(seed=seed)).batches
        truth = step_truth(model, batches, inf, seed)
        for name, g in gradients(model, torch.cat(batches)).items():
            assert bool(((g - truth.gradient[name]).abs() <= truth.noise[name]).all())
            assert float(truth.noise[name].max()) <= 1e-4 * max(truth.norm, 1e-3)


@pytest.mark.parametrize("case", [*CASES, StepCase(bound=inf), *draw(step_cases(), 20, 0)], ids=str)
def test_a_case_survives_json(case):
    again = StepCase.from_json(json.loads(json.dumps(case.to_json(), allow_nan=False)))
    assert again == case and hash(again) == hash(case)


@pytest.mark.parametrize("data", [None, [], {"sizes": "many"}, {"steps": 3}, {"bound": "large"}, {"sizes": [0]}, {"groups": 3}])
def test_what_is_no_case_is_refused(data):
    with pytest.raises((CaseError, ValueError)):
        StepCase.from_json(data)


def test_shrinking_ends_at_the_simplest_case():
    prop, wrong = CATALOG["step.formula"], subject_of(MUTANTS["own-step-clips-after-step"])
    case = StepCase("recurrent", (2, 2), bound=0.1, optimizer="AdamW", scale=8.0, groups=2, seed=7)
    assert shrink(case, lambda one: judge(prop, StepTrial(wrong, one)).red).case == StepCase(sizes=(1,))


def trainer(self, model, batches, optimizer, max_norm, epoch):
    """Two more than a step takes."""


def no_clip(model, batches, optimizer):
    """It takes no bound."""


@pytest.mark.parametrize(("function", "why"), [
    (trainer, "self has no default, epoch has no default"), (no_clip, "no max_norm in it"), (lambda: None, "no model in it"),
])  # fmt: skip
def test_a_signature_that_fits_no_form_is_refused_in_one_line(function, why):
    with pytest.raises(UsageError, match=why) as told:
        step_function(function, "mine")
    assert "step(model, batches, optimizer, max_norm, scaler=None)" in str(told.value) and "\n" not in str(told.value)


def test_a_step_that_returns_words_returns_no_norm():
    def talks(model, batches, optimizer, max_norm):
        step(model, batches, optimizer, max_norm)
        return "done"

    assert not subject(talks).offers("step_norm")
    with pytest.raises(Malformed, match="a str returned"):
        _ = StepTrial(subject(talks), CASES[0]).run.norm


def test_a_step_is_verified_by_name_and_by_itself():
    report = rnncheck.verify(step, properties="step.formula,step.several", max_examples=2, engine="inline")
    assert report.exit_code == 0 and report.subjects[0].reading.startswith("training step, step(model, batches")


def test_a_wrong_step_is_reported_by_its_mistake():
    def late(model, batches, optimizer, max_norm):
        optimizer.zero_grad()
        sum(model(batch) * len(batch) for batch in batches).div(sum(map(len, batches))).backward()
        optimizer.step()
        clip_(model.parameters(), max_norm)

    report = rnncheck.verify(late, kind="step", properties="step.formula,step.bound,step.groups", max_examples=2, engine="inline")
    assert report.exit_code == 1
    assert "the gradients are clipped after the optimizer's step" in str(report)


def test_the_optimizers_are_those_of_torch():
    p = torch.nn.Parameter(torch.ones(2))
    kinds = [make_optimizer(name, "loop", [[p]]) for name in ("SGD", "momentum", "Adam", "AdamW")]
    assert [type(one).__name__ for one in kinds] == ["SGD", "SGD", "Adam", "AdamW"]
    assert [group["lr"] for group in make_optimizer("SGD", "loop", [[p], [torch.nn.Parameter(p.clone())]]).param_groups] == [
        0.5,
        0.25,
    ]


@pytest.mark.parametrize("mutant", ["own-step-autocast-stays", "own-step-grad-stays-off"])
def test_what_a_step_leaves_on_or_off_is_found_and_put_back(mutant):
    before = (torch.is_autocast_enabled("cpu"), torch.is_grad_enabled())
    found = outcomes(CATALOG["step.autocast"], subject_of(MUTANTS[mutant]))
    assert {outcome.status for outcome in found} == {"fails"}
    assert (torch.is_autocast_enabled("cpu"), torch.is_grad_enabled()) == before


def without_scaler(model, batches, optimizer, max_norm):
    step(model, batches, optimizer, max_norm)


def of_one_batch(model, batch, optimizer, max_norm, scaler=None):
    step(model, [batch], optimizer, max_norm, scaler)


def of_equal_ones(model, batches, optimizer, max_norm):
    step(model, batches, optimizer, max_norm)


of_equal_ones.rnncheck_claims = {"unequal": "all micro-batches have one size"}


@pytest.mark.parametrize("function", [without_scaler, of_one_batch, of_equal_ones], ids=lambda function: function.__name__)
def test_every_planned_case_is_one_that_the_step_takes(function):
    target = subject(function)
    planned = list(islice(plan(target, ("float32",), 2, 0), 60))
    assert [case for case in planned if target.refuses(case) is not None] == []
    assert len(set(planned)) > 40
