"""Contracts fail; conventions warn, except where they were asked for or the layer replaces torch's."""

import pytest
import torch
from torch import nn

import rnncheck
from rnncheck.catalog import CATALOG
from rnncheck.report.terminal import plain

OPTIONS = {"properties": "layout.no_alias,shape.output,reject.hx_shape,reject.input_size", "engine": "inline", "max_examples": 4}


class SharesMemory(nn.Module):
    """A GRU whose state is a view of its output, which accepts states that can be broadcast."""

    takes_wider_input = False

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.cell = nn.GRUCell(input_size, hidden_size)

    def forward(self, input, hx=None):
        h = input.new_zeros(input.shape[1], self.hidden_size) if hx is None else hx[0].expand(input.shape[1], -1)
        outputs = []
        for x in input:
            h = self.cell(x[:, : self.input_size] if self.takes_wider_input else x, h)
            outputs.append(h)
        output = torch.stack(outputs)
        return output, output[-1:]


class InTorchsPlace(SharesMemory):
    """The same with torch's options, so that it may stand where torch's layer does."""

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, bidirectional=False):
        if num_layers > 1 or not bias or batch_first or bidirectional:
            raise NotImplementedError("one layer and direction, with biases")
        super().__init__(input_size, hidden_size)


class TakesWiderInput(SharesMemory):
    takes_wider_input = True


class Subclass(nn.GRU):
    def forward(self, input, hx=None):
        output, _ = super().forward(input, hx)
        return output, output[-1:]


def verdicts(report):
    return {verdict.property: verdict for _, verdict in report.verdicts()}


@pytest.fixture(scope="module")
def report():
    return rnncheck.verify(SharesMemory, **OPTIONS)


def test_a_convention_that_is_not_kept_warns(report):
    verdict = verdicts(report)["layout.no_alias"]
    assert (verdict.verdict, verdict.severity, report.exit_code) == ("warns", "convention", 0)
    assert verdict.reason == "results share memory with each other or with what was given"
    assert verdict.case is not None and "h_n after writing into output" in verdict.mismatch
    assert report.failures == [] and report.subjects[0].causes == ()


def test_a_warning_is_one_line_a_reason(report):
    lines = plain(report).splitlines()
    assert any(line.startswith("PASS") for line in lines)
    assert "results share memory with each other or with what was given (layout.no_alias)" in " ".join(" ".join(lines).split())


def test_strict_makes_it_fail():
    report = rnncheck.verify(SharesMemory, strict=True, **OPTIONS)
    assert verdicts(report)["layout.no_alias"].verdict == "fails"
    assert report.exit_code == 1


class DrawsItsOwn(nn.GRU):
    """Its weights are orthogonal from the first, as many a subclass is written for."""

    def reset_parameters(self):
        super().reset_parameters()
        for name, parameter in self.named_parameters():
            if "weight_hh" in name:
                nn.init.orthogonal_(parameter)


@pytest.mark.parametrize(("against", "found"), [(None, "warns"), ("torch.nn.GRU", "fails")])
def test_a_subclass_may_draw_other_parameters_unless_it_is_to_agree(against, found):
    report = rnncheck.verify(DrawsItsOwn, against=against, **{**OPTIONS, "properties": "weights.init"})
    assert verdicts(report)["weights.init"].verdict == found


@pytest.mark.parametrize(("target", "against"), [(Subclass, None), (InTorchsPlace, "torch.nn.GRU")])
def test_it_fails_where_the_layer_replaces_torchs(target, against):
    report = rnncheck.verify(target, against=against, **{**OPTIONS, "properties": "layout.no_alias"})
    assert [verdict.property for _, verdict in report.failures] == ["layout.no_alias"]


def test_it_warns_where_a_layer_of_other_options_is_to_agree_with_torchs():
    report = rnncheck.verify(SharesMemory, against="torch.nn.GRU", **{**OPTIONS, "properties": "layout.no_alias"})
    assert report.failures == [] and verdicts(report)["layout.no_alias"].verdict == "warns"


def test_wrong_input_that_is_accepted_breaks_a_contract():
    prop = CATALOG["reject.input_size"]
    assert prop.warns_of(["an input with 5 features = accepted, but should be refused, naming 4 and 5"]) is None
    assert prop.warns_of(["an input with 5 features = refused with 'ValueError: no', but should be refused, naming 4 and 5"])


def test_wrong_states_that_are_accepted_break_a_convention():
    assert CATALOG["reject.hx_shape"].warns_of(["h_0 of shape (1, 1, 7) = accepted, but should be refused, naming 3 and 1"])


def test_a_layer_that_is_harmed_by_what_it_refuses_breaks_a_contract():
    assert CATALOG["reject.hx_shape"].warns_of(["weight_ih_l0 after the refusals: off by 1"]) is None


def test_every_property_says_which_it_is():
    assert {prop.severity for prop in CATALOG.values()} == {"contract", "convention"}
    contracts = ("time.split", "batch.alone", "state.is_last_output", "agree.forward", "gradient.reference", "layout.no_mutation")
    assert {CATALOG[id].severity for id in contracts} == {"contract"}


def test_the_gate_is_strict_where_the_configuration_says_so(tmp_path):
    from rnncheck.faces.config_file import read_config

    file = tmp_path / "rnncheck.toml"
    file.write_text("strict = true\n")
    assert read_config(file).strict
    file.write_text('strict = "yes"\n')
    with pytest.raises(rnncheck.UsageError, match=r'strict = "?\'?yes.*true or false'):
        read_config(file)


class FreezesTheStateAlone(nn.GRU):
    """torch's GRU with lengths, behind which the state stays and the output does not."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)

    def forward(self, input, hx=None, lengths=None):
        if lengths is None:
            return super().forward(input, hx)
        inside = (torch.arange(len(input))[:, None] < lengths)[..., None]
        x, h, outputs = input.where(inside, 0), hx, []
        for step, valid in zip(x, inside, strict=True):
            output, new = super().forward(step[None], h)
            h = new.where(valid, new.new_zeros(()) if h is None else h)
            outputs.append(output)
        return torch.cat(outputs), h


class ForgetsTheState(FreezesTheStateAlone):
    """The same, whose state goes on behind the end."""

    def forward(self, input, hx=None, lengths=None):
        return super().forward(input, hx, None)


class TakesAnothersState(FreezesTheStateAlone):
    """The same, but a sequence of length 0 gets the state that another one was given."""

    def forward(self, input, hx=None, lengths=None):
        output, h = super().forward(input, hx, lengths)
        return output, h if lengths is None or hx is None else h.where((lengths > 0)[:, None], hx.roll(1, 1))


def test_the_case_that_is_shown_breaks_the_contract_and_not_the_convention_alone():
    report = rnncheck.verify(TakesAnothersState, **{**OPTIONS, "properties": "lengths.zero", "max_examples": 12})
    assert "of length 0: h_n" in verdicts(report)["lengths.zero"].mismatch


@pytest.mark.parametrize(("target", "exit_code"), [(FreezesTheStateAlone, 0), (ForgetsTheState, 1)])
def test_torchs_layers_have_no_lengths_so_zeros_behind_the_end_stay_a_convention(target, exit_code):
    options = {**OPTIONS, "properties": "lengths.module,lengths.zero", "max_examples": 12}
    report = rnncheck.verify(target, against="torch.nn.GRU", **options)
    assert report.exit_code == exit_code
    if exit_code == 0:
        assert {verdict.verdict for verdict in verdicts(report).values()} == {"warns"}


class DropsTheUnbatchedState(nn.Module):
    """A sequence without a batch axis begins from zero, whatever state is given; the code counts the axes or does not."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gru = nn.GRU(input_size, hidden_size)

    def forward(self, input, hx=None):
        return self.gru(input, hx if input.dim() == 3 else None)


class DropsItUncounted(DropsTheUnbatchedState):
    def forward(self, input, hx=None):
        return self.gru(input, hx if len(input.shape) == 3 else None)


@pytest.mark.parametrize(("layer", "verdict"), [(DropsTheUnbatchedState, "fails"), (DropsItUncounted, "warns")])
def test_unbatched_input_is_a_contract_where_the_code_counts_axes(layer, verdict):
    report = rnncheck.verify(layer, properties="batch.unbatched", engine="inline", max_examples=30)
    assert verdicts(report)["batch.unbatched"].verdict == verdict
