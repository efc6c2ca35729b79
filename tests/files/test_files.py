"""Files that may be anything: each is one line that names it, what is ours is set aside, and no file runs code by itself."""

import json
import os
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from rnncheck.bundle.file import read
from rnncheck.campaign import store
from rnncheck.campaign.store import StoreError, load, load_all
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.errors import UsageError
from rnncheck.faces.config_file import read_config
from rnncheck.faces.gate import _baseline

CASE = Case(Config("GRU", 2, 3), 4, 2).to_json()
WHOLE = {"schema": 1, "property": "time.split", "target": "torch.nn.GRU", "against": None, "kind": "layer", "mended": False}
DEEP = "[" * 100_000 + "]" * 100_000
DIGITS = "9" * 6_000


def changed(path: str, value) -> str:
    """A case file with one thing changed: ``case.config.hidden_size``."""
    data = json.loads(json.dumps({**WHOLE, "case": CASE}))
    place = data
    *way, last = path.split(".")
    for name in way:
        place = place[name]
    place[last] = value
    return json.dumps(data).replace('"DIGITS"', DIGITS).replace('"DEEP"', DEEP)


WRONG = {
    "deep": (DEEP, "nested"),
    "deep inside": (changed("case", "DEEP"), "nested"),
    "forty deep": (changed("case", json.loads("[" * 50 + "]" * 50)), "nested"),
    "infinity": (changed("case.time", float("inf")), "x.json: not a case: time: Expected `int`, got `float`"),
    "nan": (changed("case.config.hidden_size", float("nan")), "config.hidden_size: Expected `int`"),
    "digits": (changed("case.seed", "DIGITS"), "Exceeds the limit (4300 digits)"),
    "a large seed": (changed("case.seed", 10**30), "seed = 1000000000000000000000000000000, but should be"),
    "a list": (changed("case.hx", ["none"]), "hx: Expected `str`, got `array`"),
    "a list for a name": (changed("property", ["time.split"]), "property: Expected `str`, got `array`"),
    "a list for a kind": (changed("kind", ["layer"]), "kind: Expected `str`, got `array`"),
    "a table for a target": (changed("target", {"a": 1}), "target: Expected `str`, got `object`"),
    "a word": (changed("case.time", "4"), "time: Expected `int`, got `str`"),
    "a truth value": (changed("case.time", True), "time: Expected `int`, got `bool`"),
    "a device": (changed("case.device", "gpu"), "device = 'gpu', but should be one of cpu, cuda"),
    "a device's number": (changed("case.device", "cuda:" + "9" * 50), "device = 'cuda:999"),
    "a mode": (changed("case.config.mode", "QRNN"), "value 'QRNN', but should be one of RNN_TANH, RNN_RELU, GRU, LSTM"),
    "a kind": (changed("kind", "conv"), "kind = 'conv', but should be one of layer, clip"),
    "a pattern": (changed("case.weights.pattern", "::error::x"), "weights: pattern = ': :error::x', but should be one of"),
    "a size": (changed("case.config.hidden_size", 10**12), "hidden_size = 1000000000000, but should be"),
    "layers": (changed("case.config.num_layers", 10**9), "num_layers = 1000000000, but should be"),
    "steps": (changed("case.time", 10**12), "time = 1000000000000, but should be"),
    "negative": (changed("case.config.input_size", -1), "input_size = -1, but should be"),
    "numbers": (changed("case.config.hidden_size", 10**8), "it has 3e+16 numbers"),
    "unknown": (changed("case.config.sizes", 1), "unknown field 'sizes'"),
    "unknown outside": (changed("extra", 1), "unknown field 'extra'"),
    "no case": (json.dumps(WHOLE), "it has no case"),
    "empty": ("", "the file is empty"),
    "half": (changed("case.time", 4)[:90], "not a case file"),
    "no table": ("[]", "schema = 'list'"),
    "a number": ("7", "schema = 'int'"),
    "another schema": (changed("schema", 0), "schema = 0, but should be 1"),
    "schema of digits": ('{"schema": ' + DIGITS + "}", "Exceeds the limit"),
    "schema true": (changed("schema", [1]), "schema = [1], but should be 1"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_case_file_that_is_none_is_one_line_and_set_aside(tmp_path, kind):
    text, says = WRONG[kind]
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(StoreError) as refusal:
        load(tmp_path / "x.json")
    told = str(refusal.value)
    assert says in told and told.startswith(str(tmp_path / "x.json")) and "\n" not in told and len(told) < 600
    kept, complaints = load_all(tmp_path)
    assert kept == [] and complaints[0].endswith("; set aside") and len(complaints) == 1
    assert (tmp_path / "x.unreadable").read_text() == text


def test_a_byte_order_mark_is_no_fault_and_latin_is(tmp_path):
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf" + changed("case.time", 4).encode())
    assert load(tmp_path / "bom.json").case == Case.from_json(CASE)
    (tmp_path / "latin.json").write_bytes(changed("target", "mïne").encode("latin-1").replace(b"\\u00ef", b"\xef"))
    with pytest.raises(StoreError, match=r"latin\.json: is not UTF-8"):
        load(tmp_path / "latin.json")


def test_a_case_of_the_future_is_told_and_never_renamed(tmp_path):
    (tmp_path / "x.json").write_text(changed("schema", 2))
    kept, complaints = load_all(tmp_path)
    assert kept == [] and "a newer rnncheck has written it; left as it is" in complaints[0]
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_what_was_set_aside_before_is_not_lost(tmp_path):
    for text in ("one", "two", "three"):
        (tmp_path / "x.json").write_text(text)
        load_all(tmp_path)
    assert sorted(file.read_text() for file in tmp_path.iterdir()) == ["one", "three", "two"]


def odd_ones(folder: Path) -> list[Path]:
    """Things that are no regular files."""
    names = [folder / f"{name}.json" for name in ("pipe", "folder", "loop", "zero", "nowhere")]
    os.mkfifo(names[0])
    names[1].mkdir()
    names[2].symlink_to(names[2])
    names[3].symlink_to("/dev/zero")
    names[4].symlink_to(folder / "gone")
    return names


def test_what_is_no_file_neither_blocks_nor_ends_a_run(tmp_path):
    started = time.monotonic()
    for path in odd_ones(tmp_path):
        for reader in (load, read, read_config, _baseline):
            with pytest.raises(UsageError) as refusal:
                reader(path)
            assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)
    kept, complaints = load_all(tmp_path)
    assert kept == [] and len(complaints) == 5 and all("set aside" in line for line in complaints)
    assert time.monotonic() - started < 10


def test_a_folder_that_cannot_be_read_or_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "x.json").write_text("{")
    monkeypatch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert load_all(tmp_path)[1][0].endswith("; it could not be set aside: Permission denied")
    assert load_all(tmp_path / "gone") == ([], [])
    assert "cannot be read: Not a directory" in load_all(tmp_path / "x.json")[1][0]


def test_of_far_too_many_files_the_newest_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MOST_FILES", 3)
    for n in range(10):
        (tmp_path / f"{n}.json").write_text(changed("case.time", n + 1))
        os.utime(tmp_path / f"{n}.json", (n, n))
    kept, complaints = load_all(tmp_path)
    assert [item.case.time for item in kept] == [8, 9, 10] and "7 case files are not read, only the newest 3" in complaints[0]


def test_a_hundred_thousand_names_are_looked_through_in_seconds(tmp_path):
    first = tmp_path / "0.json"
    first.write_text(changed("case.time", 4))
    for n in range(1, 20_000):
        os.link(first, tmp_path / f"{n}.json")
    started = time.process_time()
    kept, complaints = load_all(tmp_path)
    assert len(kept) == store.MOST_FILES and len(complaints) == 1 and time.process_time() - started < 10


# configuration, baseline, bundle ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = " + DEEP, "nested too deep"),
        ("seed = " + DIGITS, "Exceeds the limit"),
        ("[tool]\nrnncheck = 3", "has no table [tool.rnncheck]"),
        ("tool = 3", "has no table [tool.rnncheck]"),
        ("seed = inf", "seed = inf, but should be a whole number"),
        ("seed = -1", "seed = -1, but should be a whole number"),
        (f"seed = {10**30}", "but should be a whole number from 0 to 4294967295"),
        ("jobs = 100000", "jobs = 100000, but should be"),
        ("coverage = nan", "coverage = nan"),
        ('"\\u001b]0;t\\u0007" = 1', "unknown key '\\x1b]0;t\\x07'"),
        ("'" + "k" * 100_000 + "' = 1", "unknown key"),
        ("", "the file is empty"),
        ("deviations = [[1]]", "an array of tables"),
        ("targets = [1]", "targets = [1], but should be a list of strings"),
    ],
    ids=range(14),
)
def test_a_configuration_that_is_none_is_one_line(tmp_path, text, says):
    (tmp_path / "f.toml").write_text(text)
    with pytest.raises(UsageError) as refusal:
        read_config(tmp_path / "f.toml")
    told = str(refusal.value)
    assert says in told and "f.toml" in told and "\n" not in told and len(told) < 800


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\x00", b"\xef\xbb\xbf[a"])
def test_bytes_that_are_no_configuration(tmp_path, data):
    (tmp_path / "f.toml").write_bytes(data)
    with pytest.raises(UsageError, match=r"f\.toml"):
        read_config(tmp_path / "f.toml")


@pytest.mark.parametrize(
    "text", [DEEP, "[]", '{"subjects": 3}', '{"subjects": [{"name": [], "verdicts": []}]}', "{", '{"schema": 9, "subjects": []}',
             '{"subjects": [{"name": "a", "verdicts": [{"property": {}, "verdict": "holds"}]}]}', f"[{DIGITS}]", "", "null"],
    ids=range(10),
)  # fmt: skip
def test_a_baseline_that_is_none_is_one_line(tmp_path, text):
    (tmp_path / "base.json").write_text(text)
    with pytest.raises(UsageError, match=r"base\.json") as refusal:
        _baseline(tmp_path / "base.json")
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 600


HUGE = (2**60).to_bytes(8, "little") + b"{}"
META = [
    {}, {"rnncheck": DEEP}, {"rnncheck": "[]"}, {"rnncheck": "{}"}, {"rnncheck": '{"bundle": 3}'},
    {"rnncheck": f'{{"bundle": {DIGITS}}}'},
    {"rnncheck": '{"bundle": {"schema": 99}}'}, {"rnncheck": '{"bundle": {"schema": [1], "kind": {}}}'},
]  # fmt: skip


@pytest.mark.parametrize("data", [b"", b"\x00", HUGE, b"\xff" * 8, (100).to_bytes(8, "little") + b"{", *(
    save({"a/b": torch.zeros(2)}, meta) for meta in META)], ids=range(13))  # fmt: skip
def test_a_bundle_that_is_none_is_one_line(tmp_path, data):
    (tmp_path / "b.safetensors").write_bytes(data)
    with pytest.raises(UsageError, match=r"b\.safetensors") as refusal:
        read(tmp_path / "b.safetensors")
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 600
