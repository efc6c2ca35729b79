"""What a person names, as subjects: their kind, configuration and reference; and scripts that build them."""

import functools
import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

import rnncheck.nn
from rnncheck.adapters.targets.resolve import ours_and_torchs, subjects
from rnncheck.adapters.torch_layers import torch_arguments
from rnncheck.campaign.probing import probe_all
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.property import Property, anywhere
from rnncheck.errors import UsageError
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.adapters.support import claimed

from . import targets

FILE = str(Path(targets.__file__))
CPU = torch.device("cpu")


def one(target, **options):
    (found,) = subjects(target, **options)
    return found


def test_no_target():
    names = [subject.name for subject in ours_and_torchs()]
    assert names == [
        "rnncheck.nn.RNN", "rnncheck.nn.GRU", "rnncheck.nn.GRU(reset_after=False)", "rnncheck.nn.LSTM",
        "rnncheck.clip.clip_grad_norm_", "torch.nn.RNN", "torch.nn.GRU", "torch.nn.LSTM",
        "torch.nn.utils.clip_grad_norm_",
    ]  # fmt: skip
    assert names == [subject.name for subject in subjects()]
    assert all(subject.source for subject in ours_and_torchs())


@pytest.mark.parametrize(("target", "kind"), [
    (nn.LSTM, "layer"),
    ("torch.nn.LSTM", "layer"),
    (Path(FILE).with_name("targets.py"), None),
    (functools.partial(nn.GRU, batch_first=True), "layer"),
    (targets.major_gru, "layer"),
    (nn.GRU(2, 3), "layer"),
    (torch.nn.utils.clip_grad_norm_, "clip"),
    (f"{FILE}:my_clip", "clip"),
    (lambda parameters, max_norm: None, "clip"),
])  # fmt: skip
def test_the_kind_is_told_from_the_target(target, kind):
    if kind is None:
        with pytest.raises(UsageError, match="is a module, .* name what is in it, as .*targets.py:FourLinears or"):
            subjects(target)
    else:
        assert one(target).kind == kind


def test_a_list_and_a_ready_subject():
    ready = one(nn.GRU)
    assert subjects([nn.LSTM, ready]) == [one(nn.LSTM), ready]


@pytest.mark.parametrize(("target", "options", "complaint"), [
    (3, {}, "is 3 of type int, but should be a layer, a cell or a clip function"),
    (f"{FILE}:number", {}, "targets.py:number: is 3 of type int, but should be"),
    (torch.nn, {}, "torch.nn: is a module"),
    (nn.LSTM, {"kind": "cel"}, "kind = 'cel', but should be one of layer, cell, clip"),
    (nn.LSTM, {"kind": "clip"}, "of type type, but should be a function like clip_grad_norm_"),
    (nn.LSTM, {"against": "torch.nn.GRU"}, "torch.nn.LSTM against torch.nn.GRU: LSTM cannot agree with GRU"),
    (nn.LSTM, {"against": "torch.nn.utils.clip_grad_norm_"}, "a layer cannot agree with a clip; name two of a kind"),
    (targets.model, {}, "a Model is no recurrent layer, but should be one; name one of those inside it: Model.encoder.rnn"),
    (targets.no_forward, {}, "cannot tell its configuration from its attributes or its parameters (weight (3, 2), bias (3,))"),
    (targets.no_forward, {}, "set rnncheck_mode, input_size, hidden_size on it, or name its class"),
])  # fmt: skip
def test_one_line_says_what_is_wrong(target, options, complaint):
    with pytest.raises(UsageError) as error:
        subjects(target, **options)
    assert complaint in str(error.value) and "\n" not in str(error.value)


# against ------------------------------------------------------------------------------------------------------------


def test_the_reference_says_the_modes_and_is_probed_too():
    four = claimed(targets.FourLinears, against=targets.OtherOrder)
    assert four.against.endswith("targets.OtherOrder")
    assert four.reference.modes == ("LSTM",) and four.reference.offers("lengths")


def test_a_reference_of_another_mode_that_only_a_probe_tells():
    with pytest.raises(UsageError, match="LSTM cannot agree with GRU; name a reference of the same mode"):
        probe_all(subjects(targets.FourLinears, against=targets.major_gru), "inline")


# instances ----------------------------------------------------------------------------------------------------------

INSTANCES = {
    "model.encoder.rnn": Config("LSTM", 4, 3, num_layers=2, batch_first=True, dropout=0.1, bidirectional=True),
    "model.cell": Config("GRU", 4, 3),
    "model.textbook": Config("GRU", 4, 3, reset_after=False),
}


@pytest.mark.parametrize("path", INSTANCES)
def test_the_configuration_of_an_instance_inside_a_model(path):
    found = claimed(f"{FILE}:{path}")
    assert found.fixed == INSTANCES[path]
    assert found.modes == (found.fixed.mode,)
    assert Trial(found, Case(found.fixed, time=5, batch=2, hx="random")).run.output.shape == (
        5,
        2,
        found.fixed.output_size,
    )


@pytest.mark.parametrize("config", [
    Config("RNN_RELU", 4, 3, num_layers=3, bias=False),
    Config("LSTM", 4, 5, proj_size=2, bidirectional=True),
    Config("GRU", 4, 3, num_layers=2, bidirectional=True, batch_first=True),
], ids=str)  # fmt: skip
def test_the_configuration_is_read_off_shapes_where_attributes_are_missing(config):
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            mode = "RNN" if config.mode.startswith("RNN") else config.mode
            self.inner = getattr(nn, mode)(config.input_size, config.hidden_size, **torch_arguments(config))
            self.batch_first, self.nonlinearity = config.batch_first, getattr(self.inner, "nonlinearity", None)

        def forward(self, x, hx=None):
            return self.inner(x, hx)

    assert one(Bare()).fixed == config


def test_an_object_is_not_called_before_its_probe():
    class Ends(nn.Linear):
        def forward(self, x):
            os._exit(3)

    assert one(Ends(2, 3)).fixed is None


def test_an_object_that_no_call_reads_is_asked_for_its_configuration():
    with pytest.raises(UsageError, match="cannot tell its configuration from .* set rnncheck_mode, hidden_size on it, or name"):
        probe_all([one(nn.Linear(2, 3))], "inline")


def test_an_instance_is_never_changed():
    layer = nn.GRU(4, 3)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    found = claimed(layer)
    built = found.build(found.fixed, torch.float64, CPU)
    built.load(Case(found.fixed, time=1, batch=1, dtype="float64").parameters())
    assert built.parameters()["weight_ih_l0"].dtype == torch.float64
    assert all(value.equal(before[name]) for name, value in layer.state_dict().items())


def test_a_property_that_asks_an_instance_for_another_configuration_is_not_claimed():
    def check(trial):
        return trial.same(trial.but(num_layers=1, bidirectional=False).run)

    prop = Property("test.other", "asks for another", "", "", "metamorphic", anywhere, check)
    found = claimed(targets.model.encoder.rnn)
    outcome = judge(prop, Trial(found, Case(found.fixed, time=3, batch=2)))
    assert (outcome.status, outcome.reason) == ("not_claimed", "another configuration than the instance has")


# cells --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "layer"), [(nn.LSTMCell, nn.LSTM), (nn.GRUCell, nn.GRU), (nn.RNNCell, nn.RNN)])
@pytest.mark.parametrize("rows", [None, 3])
def test_a_cell_is_the_layer_it_is_a_cell_of(cell, layer, rows):
    subject, reference = claimed(cell), claimed(layer)
    assert subject.modes == reference.modes
    assert not any(subject.offers(feature) for feature in ("layers", "bidirectional", "batch_first", "packed", "dropout"))
    for mode in subject.modes:
        case = Case(Config(mode, 4, 7), time=5, batch=rows, hx="random")
        torch.testing.assert_close(vars(Trial(subject, case).run), vars(Trial(reference, case).run))


def test_a_cell_refuses_what_it_would_have_to_broadcast():
    layer = one(nn.GRUCell).build(Config("GRU", 4, 7), torch.float32, CPU)
    for hx in (torch.zeros(2, 3, 7), torch.zeros(3, 7), torch.zeros(1, 3, 7, 1)):
        with pytest.raises(RuntimeError, match="hx is .*, but should be"):
            layer(torch.zeros(5, 3, 4), (hx,))
    with pytest.raises(ValueError, match="1 step or more"):
        layer(torch.zeros(0, 3, 4), None)


# scripts ------------------------------------------------------------------------------------------------------------

CONFIGS = {
    "torch.nn.LSTM": Config("LSTM", 4, 7, num_layers=2, bidirectional=True, proj_size=3),
    "torch.nn.RNN": Config("RNN_RELU", 4, 7, batch_first=True),
    "torch.nn.LSTMCell": Config("LSTM", 4, 7, bias=False),
    "torch.nn.RNNCell": Config("RNN_RELU", 4, 7),
    "torch.ao.nn.quantizable:LSTM": Config("LSTM", 4, 7, num_layers=2),
    f"{FILE}:FourLinears": Config("LSTM", 4, 7, batch_first=True),
    f"{FILE}:TextbookGRU": Config("GRU", 4, 7, bias=False, reset_after=False),
    f"{FILE}:major_gru": Config("GRU", 4, 7, batch_first=True),
    f"{FILE}:StateNeeded": Config("GRU", 4, 7),
    f"{FILE}:weight_normed": Config("LSTM", 4, 7, bias=False),
    f"{FILE}:model.encoder.rnn": INSTANCES["model.encoder.rnn"],
    "rnncheck.nn.GRU": Config("GRU", 4, 7, reset_after=False),
}


@pytest.mark.parametrize("target", CONFIGS, ids=lambda target: target.rpartition("/")[2])
def test_a_script_builds_the_same_layer(target):
    config, scope = CONFIGS[target], {"torch": torch}
    subject = one(target)
    exec(subject.source, scope)
    scripted = scope["build"](config.input_size, config.hidden_size, **torch_arguments(config))
    built = subject.build(config, torch.float32, CPU).module
    scripted.load_state_dict(built.state_dict())
    x, state = torch.ones(5, 3, 4), torch.zeros(1, 3, 7)
    arguments = (x, state) if target.endswith("StateNeeded") else (x,)
    torch.testing.assert_close(scripted.eval()(*arguments), built.eval()(*arguments))


def test_no_script_where_nothing_can_be_imported():
    class Local(nn.GRU):
        pass

    assert one(Local).source is None and one(nn.GRU(2, 3)).source is None


def test_a_script_gives_state_and_lengths_by_name():
    names = {}
    exec(one(targets.OtherOrder).source, names)
    layer, x, lengths = names["build"](2, 3, batch_first=False), torch.ones(4, 2, 2), torch.tensor([4, 1])
    state = (torch.ones(1, 2, 3), torch.zeros(1, 2, 3))
    expected = targets.OtherOrder.forward(layer, x, lengths=lengths, hx=state)
    torch.testing.assert_close(layer(x, state, lengths), expected)


@pytest.mark.parametrize("target", ["torch.nn.LSTM", f"{FILE}:FourLinears", f"{FILE}:model.cell", "torch.nn.GRUCell",
                                    f"{FILE}:my_clip"], ids=lambda target: target.rpartition("/")[2])  # fmt: skip
def test_subjects_can_be_sent_to_another_process(target):
    (subject,) = subjects(target, against=target)
    again = pickle.loads(pickle.dumps(subject))
    assert (again.name, again.fixed, again.source, again.against) == (target, subject.fixed, subject.source, target)


def test_ours_covers_both_grus_where_it_is_named():
    gru = one(rnncheck.nn.GRU)
    assert gru.offers("reset_after") and gru.offers("reset_before")
    both = [subject for subject in ours_and_torchs() if subject.name.startswith("rnncheck.nn.GRU")]
    assert [subject.offers("reset_before") for subject in both] == [False, True]
    assert [subject.offers("reset_after") for subject in both] == [True, False]
