"""What a user says of how a layer is read overrules what experiments find, and what is printed can be given back."""

import json

import pytest
import torch
from click.testing import CliRunner

import rnncheck
from rnncheck.adapters.targets.reading import reading_text
from rnncheck.faces.cli import cli
from rnncheck.reading.calls.experiment import Unreadable
from rnncheck.reading.said import WORDS, checked, from_words
from rnncheck.reading.target import read_target
from tests.reading.images import Video
from tests.strangers.table import STRANGERS

BY_NAME = {stranger.name: stranger.layer for stranger in STRANGERS}
OPTIONS = {"properties": "shape.output", "engine": "inline", "max_examples": 2}


ROUND = ["CatLSTM", "X2HGRU", "ListedLengths", "StatefulLSTM", "SkipLSTM", "ConfiguredLSTM", "BackwardRNN"]


@pytest.mark.parametrize("name", ROUND)
def test_what_is_printed_can_be_given_back(name):
    found = read_target(BY_NAME[name])
    said = from_words(found.as_text().splitlines())
    assert said and read_target(BY_NAME[name], said=said).how == found.how


def test_what_is_said_overrules_the_experiments():
    layer = BY_NAME["CatLSTM"]
    assert read_target(layer, said={"eval": True}).called["eval"] is True


def test_what_is_said_of_images_overrules_the_experiments():
    assert read_target(Video, said={"images": True}).called["images"]
    with pytest.raises(Unreadable):
        read_target(Video, said={"images": False})


def test_what_fits_no_call_is_not_read():
    with pytest.raises(Unreadable):
        read_target(BY_NAME["CatLSTM"], said={"order": [5, 6]})


def test_a_report_says_what_was_said():
    report = rnncheck.verify(BY_NAME["CatLSTM"], read={"eval": True}, **OPTIONS)
    assert "judged in eval()" in report.subjects[0].reading


def test_what_is_said_and_cannot_be_is_not_set_aside():
    with pytest.raises(rnncheck.UsageError, match="CatLSTM: it cannot be read with batch_first = True: .*no step depends"):
        rnncheck.verify(BY_NAME["CatLSTM"], read={"batch_first": True}, **OPTIONS)


def test_a_class_says_it_too():
    layer = type("Said", (BY_NAME["CatLSTM"],), {"rnncheck_read": {"eval": True}})
    assert "judged in eval()" in rnncheck.verify(layer, **OPTIONS).subjects[0].reading
    wrong = type("Said", (BY_NAME["CatLSTM"],), {"rnncheck_read": {"batch_frist": True}})
    with pytest.raises(
        rnncheck.UsageError, match="rnncheck_read of .*Said: unknown word 'batch_frist'; did you mean 'batch_first'"
    ):
        rnncheck.verify(wrong, **OPTIONS)


@pytest.mark.parametrize(("said", "told"), [
    ({"batchfirst": True}, "read: unknown word 'batchfirst'; did you mean 'batch_first'?"),
    ({"batch_first": "yes"}, "read: batch_first = 'yes', but should be true or false"),
    ({"input": "stepwise"}, "read: input = 'stepwise', but should be one of sequence, channels first, "),
    ({"output": "outputs"}, "read: output = 'outputs', but should be a path into the result"),
    (["batch_first"], "but should be a table of words"),
])  # fmt: skip
def test_what_cannot_be_meant_is_one_line(said, told):
    with pytest.raises(rnncheck.UsageError) as error:
        checked(said, "read")
    assert told in str(error.value) and "\n" not in str(error.value)


def test_a_pair_needs_a_value():
    with pytest.raises(rnncheck.UsageError, match="should be a word and a value"):
        from_words(["batch_first"])


def test_the_command_prints_it():
    found = CliRunner().invoke(cli, ["read", "tests/strangers/one_matrix.py:CatLSTM", "--read", "eval=true"])
    assert found.exit_code == 0
    assert "CatLSTM is read as: layer, (time, batch, features), state (h, c)" in found.output
    assert "eval = true" in found.output.splitlines()


def test_torchs_layers_have_nothing_to_say():
    assert "nothing to say" in reading_text("torch.nn.LSTM")
    assert "h0 -> second result: state (units)" in reading_text("tests/typed/right.py:resettable")
    with pytest.raises(rnncheck.UsageError, match="only layers are read"):
        reading_text("torch.nn.utils.clip_grad_norm_")


def test_every_word_is_documented():
    from pathlib import Path

    text = (Path(rnncheck.__file__).parent.parent / "docs" / "layers.md").read_text()
    assert [word for word in WORDS if f"`{word}`" not in text] == []


class Prints(torch.nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = torch.nn.GRU(input_size, hidden_size)

    def forward(self, x, h=None):
        print("input", x.shape)
        return self.rnn(x, h)


def test_what_a_layer_prints_is_no_part_of_the_text():
    text = CliRunner().invoke(cli, ["read", "tests/reading/test_said.py:Prints"]).stdout
    assert text.startswith("# ") and "torch.Size" not in text


def test_what_a_file_prints_is_no_part_of_a_report(tmp_path):
    file = tmp_path / "prints.py"
    file.write_text("import torch\nprint('imported')\nclass Own(torch.nn.GRU): pass\n")
    few = ["--properties", "shape.output", "--max-examples", "1", "--engine", "inline"]
    said = CliRunner().invoke(cli, ["verify", f"{file}:Own", *few, "--json", "-"])
    assert json.loads(said.stdout) and "imported" not in said.stdout
