"""The oracle is asked once for what many properties need, and what is remembered is what it would say."""

import torch

from rnncheck import oracle
from rnncheck.adapters.torch_layers import torch_nn
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.engine import Job, WorkerContext
from rnncheck.engine.recent import KEPT, MOST_NUMBERS, Recent
from rnncheck.running import memo
from rnncheck.running.trial import Trial
from tests.engine.support import again, prop

CASE = Case(Config("LSTM", 3, 4), time=3, batch=2, hx="random", seed=5)


def counted(monkeypatch, name):
    asked, real = [], getattr(oracle, name)
    monkeypatch.setattr(oracle, name, lambda *args, **more: asked.append(args) or real(*args, **more))
    memo._answers.clear()
    return asked


def test_the_same_question_is_asked_once(monkeypatch):
    asked = counted(monkeypatch, "budget")
    one, other = (Trial(torch_nn("LSTM"), CASE) for _ in range(2))
    assert one.budget is other.budget
    assert one.but(parameters=dict(one.parameters)).budget is one.budget
    assert len(asked) == 1


def test_another_question_is_another(monkeypatch):
    asked = counted(monkeypatch, "budget")
    trial = Trial(torch_nn("LSTM"), CASE)
    changed = {**trial.parameters, "bias_hh_l0": trial.parameters["bias_hh_l0"] + 1e-7}
    others = [
        trial.but(parameters=changed), trial.but(x=-trial.x), trial.but(state=None), trial.but(seed=6), trial.but(lengths=(3, 2)),
        Trial(torch_nn("LSTM"), CASE.but(dtype="float64")), Trial(torch_nn("LSTM"), CASE.but(batch_first=True)),
    ]  # fmt: skip
    allowed = [one.budget.allowed.output for one in (trial, *others)]
    assert len(asked) == len(allowed) == len({id(one) for one in allowed})


def test_gradients_are_those_of_their_own_cotangents(monkeypatch):
    asked = counted(monkeypatch, "gradient_budget")
    trial = Trial(torch_nn("LSTM"), CASE)
    weights = trial.cotangents()
    first, again_, doubled = (trial.gradient_budget(w) for w in (weights, trial.cotangents(), weights.map(lambda part: 2 * part)))
    assert first is again_ and len(asked) == 2
    assert torch.allclose(2 * first.truth["input"], doubled.truth["input"])


def test_large_questions_and_old_answers_are_not_kept(monkeypatch):
    counted(monkeypatch, "budget")
    large = Trial(torch_nn("LSTM"), CASE.but(input_size=memo.MOST_NUMBERS))
    assert memo.remembered(object, "budget", large.question) is not memo.remembered(object, "budget", large.question)
    for seed in range(memo.KEPT + 5):
        memo.remembered(object, "budget", Trial(torch_nn("LSTM"), CASE).question, seed)
    assert len(memo._answers) == memo.KEPT


def test_a_trial_is_kept_for_the_properties_that_come_to_its_case_later():
    shop = WorkerContext((torch_nn("LSTM"),), {"own.again": prop(again)}, lambda subject: subject.claims)
    for number in range(2):
        shop.do(Job(number, "judge", 0, (CASE,), (("own.again",),)))
    ((key, kept),) = shop.trials._kept.items()
    assert key == (0, CASE) and "run" in vars(kept)
    recent, large = Recent(), Trial(torch_nn("LSTM"), CASE.but(input_size=MOST_NUMBERS))
    assert recent.get("large", lambda: large) is large and not recent._kept
    for number in range(KEPT + 3):
        recent.get(number, object)
    assert list(recent._kept) == list(range(3, KEPT + 3))
