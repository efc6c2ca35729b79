"""What subjects claim: by declaration, by signature, by tiny calls; and what a probe must not hide."""

import ctypes
import functools
from dataclasses import replace

import pytest
import torch
from torch import nn

import rnncheck
from rnncheck.adapters.factory import Constructor
from rnncheck.adapters.probing.probe import probe
from rnncheck.adapters.probing.settle import settled_subject
from rnncheck.adapters.targets.locate import described
from rnncheck.adapters.targets.resolve import OURS, TORCHS, ours_and_torchs, subjects
from rnncheck.adapters.torch_layers import torch_nn
from rnncheck.campaign import probing_apart
from rnncheck.campaign.probing import probe_all
from rnncheck.campaign.probing_apart import Probes
from rnncheck.core.config import MODES
from rnncheck.core.features import CLIP_FEATURES, FEATURES
from rnncheck.core.subject import Claim
from rnncheck.engine import Done
from rnncheck.errors import UsageError
from tests.adapters import targets
from tests.adapters.support import claimed
from tests.mutants.clean.by_hand import OnceDifferentiableLSTM
from tests.strangers.separate_states import BatchMajorStates


@functools.cache
def of(name):
    return claimed(getattr(targets, name), dear=True)


def offered(subject):
    return {name for name, claim in subject.claims.items() if claim.offered}


@pytest.mark.parametrize("layer", [*OURS, *TORCHS], ids=lambda layer: f"{layer.__module__.partition('.')[0]}.{layer.__name__}")
def test_declared_claims_are_what_a_probe_finds(layer):
    """But for what no probe can see (how parameters are drawn, what is not installed), or torch deviates in."""
    (declared,) = subjects(layer)
    assert set(declared.claims) == set(FEATURES)
    probed = probe(replace(declared, build=Constructor(described(layer)), modes=(), claims={}))
    differing = {name: probed[name].why for name, claim in declared.claims.items() if claim.offered != probed[name].offered}
    beyond = {"onnx", "torch_init"} if layer in OURS else {"onnx", "vmap"}
    assert set(differing) <= beyond, differing
    assert declared.modes == tuple(mode for mode in MODES if probed[mode].offered)


def test_every_feature_is_claimed_or_not():
    for name in ("FourLinears", "TextbookGRU", "major_gru"):
        assert set(of(name).claims) == set(FEATURES)
    assert set(claimed(targets.my_clip).claims) == set(CLIP_FEATURES)


def test_states_without_an_axis_of_layers():
    """Are taken as they are, and what is about that axis is not claimed; but a layer that is to agree with torch's has it."""
    flat = of("FlatStates")
    assert flat.flat_states and flat.lacks(("layer_axis",)).endswith("one layer's states are (batch, size)")
    report = rnncheck.verify(targets.FlatStates, properties="shape.state,state.used,agree.forward,time.split,gradient.reference",
                             max_examples=40, engine="inline")  # fmt: skip
    (subject,) = report.subjects
    assert {v.property: v.verdict for v in subject.verdicts} == {
        "shape.state": "not_claimed", "state.used": "holds", "agree.forward": "holds", "time.split": "holds",
        "gradient.reference": "holds",
    }  # fmt: skip
    beside = rnncheck.verify(targets.FlatStates, against=nn.GRU, properties="agree.against", max_examples=2, engine="inline")
    assert beside.exit_code == 0 and beside.subjects[0].count()["holds"] == 1


def test_what_is_not_offered_says_why():
    for name in ("FourLinears", "TextbookGRU", "OtherOrder", "StateNeeded"):
        silent = [feature for feature, claim in of(name).claims.items() if not claim.offered and not claim.why]
        assert silent == []


def test_what_is_once_differentiable_offers_no_second_derivatives():
    claim = claimed(OnceDifferentiableLSTM).claims["second"]
    assert not claim.offered and "once_differentiable" in claim.why, claim


def test_a_batch_major_layer_without_the_argument():
    four = of("FourLinears")
    assert four.modes == ("LSTM",)
    assert "batch_first" in offered(four) and "time_first" not in offered(four)
    assert four.claims["time_first"].why == "reads input as (batch, time, input)"
    assert {"hx", "hx_none", "float64", "training", "second"} <= offered(four)
    assert not {"packed", "unbatched", "layers", "torch_parameters"} & offered(four)
    assert "read by experiment" in four.claims["load"].why


def test_a_factory_has_the_nature_of_what_it_makes():
    gru = of("major_gru")
    assert gru.modes == ("GRU",) and "batch_first" in offered(gru) and "time_first" not in offered(gru)
    assert {"load", "packed", "torch_parameters"} <= offered(gru)


def test_the_textbooks_gru_is_told_by_its_numbers():
    gru = of("TextbookGRU")
    assert gru.modes == ("GRU",)
    assert {"reset_before", "load", "bias_off"} <= offered(gru) and "reset_after" not in offered(gru)


def test_whoever_names_a_reference_must_agree_with_it():
    gru = claimed(targets.TextbookGRU, against="torch.nn.GRU")
    assert {"reset_after", "load"} <= offered(gru) and "reset_before" not in offered(gru)


class TorchNamedTextbookGRU(targets.TextbookGRU):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        for side, linear in (("ih", self.x2h), ("hh", self.h2h)):
            self.register_parameter(f"weight_{side}_l0", linear.weight)
            self.register_parameter(f"bias_{side}_l0", linear.bias)


def test_whoever_uses_torchs_names_promises_torchs_gru():
    gru = claimed(TorchNamedTextbookGRU)
    assert {"reset_after", "load", "torch_parameters"} <= offered(gru) and "reset_before" not in offered(gru)


def test_gates_in_another_order_are_no_failure():
    lstm = of("OtherOrder")
    assert lstm.claims["load"].why == "it holds the gates in the order i f o g, not i f g o"


class HalfOfItsInput(targets.OtherOrder):
    def forward(self, x, lengths=None, hx=None):
        return super().forward(x / 2, lengths, hx)


def test_what_has_torchs_parameters_and_computes_something_else_says_which_reference_to_name():
    claim = claimed(HalfOfItsInput).claims["load"]
    assert not claim.offered and "name torch.nn.LSTM with --against if that is a mistake" in claim.why


def test_what_the_constructor_refuses_is_not_claimed():
    assert of("OtherOrder").claims["layers"] == Claim(
        False, "signature", "the constructor refuses num_layers: NotImplementedError: one layer only"
    )


def test_what_disappears_without_effect_is_not_claimed():
    lstm = of("OtherOrder")
    assert lstm.claims["bidirectional"].why == "bidirectional disappears in the constructor's ** without effect"
    assert not {"bidirectional", "bias_off", "proj"} & offered(lstm)


def test_lengths_before_hx():
    lstm = of("OtherOrder")
    assert {"lengths", "packed", "hx", "hx_none", "batch_first", "time_first"} <= offered(lstm)
    layer = lstm.build(layer_config("LSTM"), torch.float32, torch.device("cpu"))
    x, h, c = torch.ones(5, 3, 4), torch.ones(1, 3, 7), torch.zeros(1, 3, 7)
    output, _ = layer.with_lengths(x, (h, c), torch.tensor([5, 4, 2]))
    assert output[2:, 2].eq(0).all() and output[:2, 2].ne(0).any()


def layer_config(mode):
    from rnncheck.core.config import Config

    return Config(mode, 4, 7)


def test_a_state_that_must_be_given():
    layer = of("StateNeeded")
    assert "hx" in offered(layer) and "hx_none" not in offered(layer)
    assert layer.claims["hx_none"].why == "forward has no default for the initial state"
    assert {"float64", "packed", "functional", "meta"} <= offered(layer)


def test_what_fails_inside_is_claimed_all_the_same():
    lstm = claimed(targets.FailsInside)
    assert {"bidirectional", "layers", "packed"} <= offered(lstm)
    assert not {"batch_first", "dropout", "proj"} & offered(lstm)


def test_declarations_count_more_than_probes():
    class Declared(nn.GRU):
        rnncheck_claims = {"packed": "not yet", "script": False, "reset_before": True}

    gru = claimed(Declared)
    assert gru.claims["packed"] == Claim(False, "declared", "not yet")
    assert gru.claims["script"] == Claim(False, "declared")
    assert gru.claims["reset_before"] == Claim(True, "declared")


@pytest.mark.parametrize(("claims", "complaint"), [
    ({"paked": True}, "rnncheck_claims speaks of 'paked', but there is no such feature; did you mean 'packed'?"),
    ({"packed": 3}, "rnncheck_claims['packed'] = 3, but should be True, False or a reason"),
    (["packed"], "rnncheck_claims is a list, but should be a dict"),
])  # fmt: skip
def test_declarations_must_make_sense(claims, complaint):
    declared = type("Declared", (nn.GRU,), {"rnncheck_claims": claims})
    with pytest.raises(UsageError, match="Declared: ") as error:
        subjects(declared)
    assert complaint in str(error.value)


def test_a_mode_may_be_declared():
    class Odd(targets.StateNeeded):
        rnncheck_mode = "GRU"

    assert claimed(Odd).modes == ("GRU",)
    with pytest.raises(UsageError, match="rnncheck_mode"):
        subjects(type("Wrong", (nn.Module,), {"rnncheck_mode": "SRU"}))


def test_an_elman_network_is_told_by_its_parameters():
    class Simple(nn.Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()
            self.inner = nn.RNN(input_size, hidden_size, nonlinearity="relu")

        def forward(self, x, hx=None):
            return self.inner(x, hx)

    assert claimed(Simple).modes == ("RNN_RELU",)


def test_nothing_that_can_be_run():
    for target, complaint in {
        targets.NeedsVocabulary: "NeedsVocabulary: it is built, but cannot be called as a recurrent layer: NotImplemented",
        targets.RefusesAll: "RefusesAll: its constructor refuses every configuration: ValueError: not today",
        nn.Linear: "torch.nn.Linear: no recurrent layer",
    }.items():
        with pytest.raises(UsageError) as error:
            claimed(target)
        line, _, code = str(error.value).partition("\n\n")
        assert complaint in line and "\n" not in line
        assert bool(code) == (target is not nn.Linear)  # of what may be a layer, the code of a wrapper to fill in


def test_a_layer_that_is_no_module():
    class Plain:
        def __init__(self, input_size, hidden_size):
            self.inner = nn.GRU(input_size, hidden_size)

        def __call__(self, x, hx=None):
            return self.inner(x, hx)

    plain = claimed(Plain, kind="layer", against="torch.nn.GRU")
    assert {"hx", "batched", "packed"} <= offered(plain)
    assert not {"module", "load", "compile", "export", "functional", "float64"} & offered(plain)


def test_weight_norm_is_loaded_through_its_parametrization():
    lstm = of("weight_normed")
    assert "load" in offered(lstm) and "torch_parameters" not in offered(lstm)


def test_spectral_norm_keeps_only_a_part_of_what_is_loaded():
    def made(input_size, hidden_size):
        return nn.utils.parametrizations.spectral_norm(nn.GRU(input_size, hidden_size), "weight_hh_l0")

    gru = claimed(made)
    assert gru.claims["load"].why == "weight_hh_l0 is not what was loaded (a parametrization changes it)"


class Crashes(nn.GRU):
    """Ends the process whatever is asked of it."""

    def forward(self, input, hx=None):
        ctypes.string_at(0)


class CrashesOnPacked(nn.GRU):
    def forward(self, input, hx=None):
        if isinstance(input, nn.utils.rnn.PackedSequence):
            ctypes.string_at(0)
        return super().forward(input, hx)


def test_a_subject_that_dies_in_its_probe_is_judged_all_the_same():
    (lost,) = probe_all(subjects(Crashes), "processes", 1)
    assert lost.modes == ("GRU",)
    assert {"batched", "hx_none", "float32", "reset_after", "packed"} <= offered(lost)
    assert lost.claims["packed"].why.startswith("its probe did not end: crashed")


def test_a_feature_that_ends_the_process_is_claimed_so_that_a_case_shows_it():
    (found,) = probe_all(subjects(CrashesOnPacked), "processes", 1)
    assert "SIGSEGV" in found.claims["packed"].why and found.offers("packed")
    assert set(found.claims) == set(FEATURES)
    assert {"load", "layers", "unbatched", "float64", "meta"} <= offered(found) and not found.offers("vmap")


class Slow(Probes):
    """Probes of which those of all that is asked at once do not end."""

    def of(self, subjects, how=probe):
        return [Done(None, lost="hung") for _ in subjects] if how is probe else super().of(subjects, how)


def test_a_layer_of_its_own_is_not_judged_before_it_is_read():
    """Where a slow machine leaves no time for that: called as torch's layers are, it would be red."""
    (subject,) = subjects(BatchMajorStates)
    found = probing_apart.claims_apart(subject, Done(None, lost="hung"), Slow("inline", 1, 1.0))
    with pytest.raises(UsageError, match="did not suffice to find out how it is called; give more with --budget") as told:
        settled_subject(subject, found)
    assert "; fill in the dots of this wrapper: wrapped.py" in str(told.value) and "class Wrapped(nn.Module)" in str(told.value)


def test_what_is_read_at_last_is_judged_as_it_is_read():
    (subject,) = subjects(BatchMajorStates)
    found = probing_apart.claims_apart(subject, Done(None, lost="hung"), Probes("inline", 1, 1.0))
    assert settled_subject(subject, found).build.reading.adapts


def test_nothing_is_probed_that_declares_everything(monkeypatch):
    monkeypatch.setattr(probing_apart, "make_engine", lambda *_: pytest.fail("an engine was made"))
    layers = [subject for subject in ours_and_torchs() if subject.kind == "layer"]
    assert probe_all(layers) == layers


@pytest.mark.parametrize(("feature", "low"), [("autocast", torch.bfloat16), ("autocast_half", torch.float16)])
def test_torchs_lstm_claims_the_autocast_that_runs_on_this_processor(feature, low):
    try:
        with torch.autocast("cpu", low):
            torch.nn.LSTM(2, 3)(torch.zeros(1, 1, 2))
        runs = True
    except RuntimeError:
        runs = False
    claim = torch_nn("LSTM").claims[feature]
    assert claim.offered is runs
    assert runs or str(low)[6:] in claim.why
    assert torch_nn("GRU").claims[feature].offered


class KeepsTheBatchAxis(nn.GRU):
    """Gives output and state of a batch of one for input without a batch axis."""

    def forward(self, input, hx=None):
        if isinstance(input, torch.Tensor) and input.dim() == 2:
            return super().forward(input.unsqueeze(1), None if hx is None else hx.unsqueeze(1))
        return super().forward(input, hx)


def test_a_wrong_answer_of_a_subclass_of_torchs_un_claims_nothing():
    report = rnncheck.verify(KeepsTheBatchAxis, properties="shape.output", engine="inline", max_examples=12)
    assert report.subjects[0].claims["unbatched"].offered
    assert report.exit_code == 1 and report.subjects[0].verdicts[0].case.batch is None


class TakesNoBatch(nn.Module):
    """A GRU of its own with torch's call that takes the features of a single sequence for its rows."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell, self.hidden_size = nn.GRUCell(input_size, hidden_size), hidden_size

    def forward(self, input, hx=None):
        h, outputs = input.new_zeros(input.shape[1], self.hidden_size) if hx is None else hx.squeeze(0), []
        for x in input:
            h = self.cell(x.expand(len(h), -1), h)
            outputs.append(h)
        return torch.stack(outputs), h[None]


class TakesTorchsOptions(TakesNoBatch):
    """The same with a constructor that takes what torch's takes, and offers little of it."""

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, bidirectional=False):
        if (num_layers, bias, batch_first, bidirectional) != (1, True, False, False):
            raise NotImplementedError("one layer with biases, time first, one direction")
        super().__init__(input_size, hidden_size)


@pytest.mark.parametrize(
    ("target", "against", "offered"),
    [(TakesTorchsOptions, "torch.nn.GRU", True), (TakesTorchsOptions, None, False), (TakesNoBatch, "torch.nn.GRU", False)],
)
def test_a_wrong_answer_of_what_is_to_replace_torchs_un_claims_nothing(target, against, offered):
    report = rnncheck.verify(target, against=against, properties="shape.output", engine="inline", max_examples=12)
    assert report.subjects[0].claims["unbatched"].offered is offered
    assert report.exit_code == int(offered)


class SharedDefault(nn.Module):
    """The state is kept in a default argument, one for all calls, also those in which torch.export traces the layer."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.LSTMCell(input_size, hidden_size)

    def forward(self, x, state={}):  # noqa: B006
        if "h" not in state or state["h"].shape[0] != x.shape[1] or state["h"].dtype != x.dtype:
            state |= dict.fromkeys("hc", x.new_zeros(x.shape[1], self.cell.hidden_size))
        outputs = []
        for step in x:
            state["h"], state["c"] = self.cell(step, (state["h"], state["c"]))
            outputs.append(state["h"])
        return torch.stack(outputs), dict(state)


def test_a_state_that_an_earlier_export_left_behind_is_the_layers_mistake():
    assert claimed(SharedDefault).offers("batched")


class MinGRU(nn.Module):
    """A recurrence of its own with GRU in its name: h = (1 - z) h + z x, step by step."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gate, self.value = nn.Linear(input_size, hidden_size), nn.Linear(input_size, hidden_size)

    def forward(self, x, hx=None):
        h = x.new_zeros(x.shape[1], self.gate.out_features) if hx is None else hx
        z, value, outputs = torch.sigmoid(self.gate(x)), self.value(x), []
        for t in range(len(x)):
            h = (1 - z[t]) * h + z[t] * value[t]
            outputs.append(h)
        return torch.stack(outputs), h.clone()


class FastMinGRU(MinGRU):
    """All steps at once."""

    def forward(self, x, hx=None):
        z, value = torch.sigmoid(self.gate(x)), self.value(x)
        since = nn.functional.logsigmoid(-self.gate(x)).cumsum(0)
        later = torch.ones(len(x), len(x), device=x.device).tril()[..., None, None]
        share = torch.where(later > 0, since[:, None] - since, -torch.inf).exp()
        h = (share * (z * value)).sum(1)
        h = h if hx is None else h + since.exp() * hx
        return h, h[-1].clone()


def test_a_reference_of_ones_own_does_not_say_that_it_is_torchs():
    (subject,) = probe_all(subjects(FastMinGRU, against=MinGRU), "inline")
    assert subject.of_its_own and subject.reference.of_its_own
    (subject,) = probe_all(subjects(TakesTorchsOptions, against="torch.nn.GRU"), "inline")
    assert not subject.of_its_own


class ScaledGRU(nn.Module):
    """A GRU whose parameters are not torch's: what it returns is scaled by one more."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell, self.scale = nn.GRUCell(input_size, hidden_size), nn.Parameter(torch.ones(3))

    def forward(self, x, hx=None):
        h = x.new_zeros(x.shape[1], self.cell.hidden_size) if hx is None else hx[0]
        outputs = []
        for step in x:
            h = self.cell(step, h)
            outputs.append(h)
        return torch.stack(outputs) * self.scale.sum().tanh(), h[None].clone()


def test_what_is_named_beside_torchs_layer_is_held_to_its_equations():
    (subject,) = probe_all(subjects(ScaledGRU, against="torch.nn.GRU"), "inline")
    assert not subject.offers("load") and subject.offers("equations")
    (subject,) = probe_all(subjects(ScaledGRU), "inline")
    assert not subject.offers("load") and subject.of_its_own
