"""The file of a bundle: the same bytes each time, what was written is read, and nothing else is."""

import json
from functools import cache

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from rnncheck.bundle import BundleError, read, write
from rnncheck.bundle.file import KEY, _digest
from tests.bundle.support import recorded, torchs


@cache
def bundle():
    """What torch's GRU does on some cases; recorded once in a process, and not where this file is only collected."""
    return recorded(torchs("GRU"), 6)


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "b.safetensors"
    write(bundle(), file)
    return file


def described(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()[KEY])


def rewrite(path, tensors=None, **changes):
    """The file with another description, whose digest is right, and other tensors."""
    told = {**described(path)["bundle"], **changes}
    tensors = load(path.read_bytes()) if tensors is None else tensors
    path.write_bytes(save(tensors, {KEY: json.dumps({"digest": _digest(told), "bundle": told})}))


def test_recording_twice_gives_the_same_bytes(path, tmp_path):
    again = tmp_path / "again" / "b.safetensors"
    write(recorded(torchs("GRU"), 6), again)
    assert again.read_bytes() == path.read_bytes()


def test_what_was_written_is_read(path):
    found = read(path)
    assert (found.subject, found.modes, found.seed, found.environment) == (
        bundle().subject, bundle().modes, bundle().seed, json.loads(json.dumps(bundle().environment))
    )  # fmt: skip
    for one, other in zip(found.recorded, bundle().recorded, strict=True):
        assert one.case == other.case
        assert list(one.gradients) == list(other.gradients)
        assert one.tensors().keys() == other.tensors().keys()
        for name, tensor in one.tensors().items():
            assert tensor.dtype == other.tensors()[name].dtype
            assert torch.equal(tensor, other.tensors()[name]), name
    assert any(one.gradients for one in found.recorded)


def test_a_truncated_file_is_refused_wherever_it_ends(path):
    whole = path.read_bytes()
    for length in (1, 7, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(BundleError, match="not a bundle, or truncated"):
            read(path)


def test_an_altered_number_is_found(path):
    tensors = load(path.read_bytes())
    name = next(name for name in tensors if name.startswith("2/"))
    tensors[name].view(-1)[0] += 1
    rewrite(path, tensors)
    with pytest.raises(BundleError, match="altered: the tensors of case 2 "):
        read(path)


def test_a_flipped_bit_is_found(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match="altered: the tensors of case"):
        read(path)


def test_a_tensor_more_or_less_is_found(path):
    tensors = load(path.read_bytes())
    one = next(iter(tensors))
    rewrite(path, {name: tensor for name, tensor in tensors.items() if name != one})
    with pytest.raises(BundleError, match="altered"):
        read(path)
    rewrite(path, {**tensors, "77/output": torch.zeros(2)})
    with pytest.raises(BundleError, match="altered: whose is '77/output'"):
        read(path)


def test_an_altered_description_is_found(path):
    told = described(path)
    told["bundle"]["environment"]["device"] = "cuda"
    path.write_bytes(save(load(path.read_bytes()), {KEY: json.dumps(told)}))
    with pytest.raises(BundleError, match="altered: its description"):
        read(path)


def test_numbers_that_this_torch_makes_otherwise_are_found(path):
    cases = described(path)["bundle"]["cases"]
    cases[1]["given"] = "0" * 64
    rewrite(path, cases=cases)
    with pytest.raises(BundleError, match="case 1 gives other numbers with this torch"):
        read(path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": 2}, "schema = 2, but this rnncheck reads up to 1: a newer one"),
        ({"schema": "1"}, "schema = '1'"),
        ({"schema": 0}, "schema = 0"),
        ({"kind": "clip"}, "kind = 'clip', but should be schema 1, kind 'layer'"),
        ({"cases": [{}]}, r"cases\[0\]: Object missing required field `case`"),
        ({"cases": [{"case": {"config": 1}, "given": "", "results": "", "gradients": [], "error": None}]}, "altered"),
        ({"environment": None}, "not a bundle of rnncheck: environment: Expected `object`, got `null`"),
    ],
)  # fmt: skip
def test_a_description_that_is_none(path, changes, says):
    rewrite(path, **changes)
    with pytest.raises(BundleError, match=says) as raised:
        read(path)
    assert "\n" not in str(raised.value)


def test_a_bundle_without_cases(path):
    rewrite(path, {}, cases=[])
    with pytest.raises(BundleError, match="holds no cases"):
        read(path)


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "the file is empty"), (b"{}", "not a bundle, or truncated"), (save({"a": torch.zeros(2)}), "not a bundle of rnncheck")],
)
def test_another_file(tmp_path, data, says):
    file = tmp_path / "other"
    file.write_bytes(data)
    with pytest.raises(BundleError, match=says):
        read(file)


def test_no_file_and_a_folder(tmp_path):
    for path, says in ((tmp_path / "none", "no such file"), (tmp_path, "is a folder, but should be a file")):
        with pytest.raises(BundleError, match=says):
            read(path)


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written"):
        write(bundle(), tmp_path / "file" / "b.safetensors")
