"""The table is right: each layer, each mistake, and what is told of shapes."""

import pytest
import torch

from tests.effort import some

from .check_right import RIGHT, Maker, build, differs, prove, rebuilt
from .table import STRANGERS, mistakes

TIME, BATCH = 5, 2
LAYOUTS = {
    "time_first": "time batch *",
    "batch_first": "batch time *",
    "channels_first": "batch * time",
    "time features, no batch": "time *",
    "batch_first in, time_first out": "time batch *",
}


@pytest.mark.parametrize("stranger", some(STRANGERS, 3), ids=lambda s: s.name)
def test_right(stranger):
    assert prove(stranger)


@pytest.mark.parametrize(("stranger", "mistake"), some(list(mistakes()), 8), ids=lambda v: v.layer.__name__)
def test_differs(stranger, mistake):
    assert differs(stranger, mistake.layer)


def test_names_are_unique():
    names = [s.name for s in STRANGERS] + [m.layer.__name__ for _, m in mistakes()]
    assert len(set(names)) == len(names)
    assert {len(s.mistakes) for s in STRANGERS} == {2}


def has_axes(value, axes, reads):
    """Whether a tensor's shape is as the axes say; sizes of units and features may be any."""
    sizes = {"time": TIME, "batch": BATCH, "layers": reads["layers"], "directions": 2, "time*batch": TIME * BATCH}
    axes = [a for a in axes.split() if a != "complex"]
    return value.dim() == len(axes) and all(
        n == sizes.get(a, int(a) if a.isdigit() else n) for n, a in zip(value.shape, axes, strict=True)
    )


def agrees(said, value, reads, layout):
    """Whether a result is what the reading says of it."""
    if isinstance(said, dict):
        got = value if isinstance(value, dict) else {k: getattr(value, k) for k in said}
        assert got.keys() == said.keys()
        return all(agrees(v, got[k], reads, layout) for k, v in said.items())
    if isinstance(said, list):
        inner = "batch *" if said == ["output"] else layout
        return isinstance(value, list) and all(agrees(said[0], v, reads, inner) for v in value)
    if isinstance(said, tuple):
        fields = list(vars(value).values()) if hasattr(value, "__dataclass_fields__") else value
        return len(said) == len(fields) and all(agrees(s, v, reads, layout) for s, v in zip(said, fields, strict=True))
    axes = dict(reads["states"]).get(said)
    if axes is None:
        axes = said.partition(": ")[2] if said.startswith("extra") else layout
        axes = "batch *" if said.startswith("last output") else axes
        axes = "time*batch *" if "time*batch" in said else axes
    return has_axes(value, axes, reads)


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda s: s.name)
def test_reading(stranger):
    reads = stranger.reads
    results = []
    module = build(stranger).eval()
    module.register_forward_hook(lambda module, given, result: results.append(result))
    for arguments in RIGHT[stranger.name].calls(Maker(TIME, BATCH, 0)):
        RIGHT[stranger.name].run(module, *rebuilt(arguments, torch.clone))
    assert results
    layout = "batch *" if reads["kind"] == "cell" else LAYOUTS.get(reads["layout"], "time batch *")
    said = reads["results"]
    said = said[0] if isinstance(said, tuple) and len(said) == 1 else said
    for result in results:
        if stranger.name == "WithGates" and len(result) == 3:
            result = result[:2]  # asked for by an option
        if said == ("output: packed", "h"):
            result = (torch.nn.utils.rnn.pad_packed_sequence(result[0])[0], result[1])
        assert agrees(said, result, reads, layout)
