"""A script that calls the layer through one of torch's transformations, and compares with the documented equations."""

from collections.abc import Mapping
from typing import Any

from rnncheck.core.case import Case
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.repro.preamble import limits, stage
from rnncheck.running.trial import Trial, seeded

_MAPPED = '''
def alone(x, *state):
    """One sequence, without the batch axis."""
    results = run(layer, x.unsqueeze(1), [part.unsqueeze(1) for part in state])
    return tuple(part.squeeze(1) for part in results.values())


with torch.no_grad():
    results = torch.vmap(alone, in_dims=1, out_dims=1)(x, *state)
actual = dict(zip(("output", "h_n", "c_n"), results))
'''
_EXPORTED = '''
class Around(torch.nn.Module):
    """The layer inside another module: torch 2.6 exports torch's own only so."""

    def __init__(self):
        super().__init__()
        self.layer = layer

    def forward(self, *arguments):
        return self.layer(*arguments)


def exported(*arguments):
    return torch.export.export(Around(), arguments, strict=False).module()(*arguments)


actual = run(exported, x, state)
'''
_SCRIPTED = """
actual = run(torch.jit.script(layer), x, state)
"""
THROUGH: Mapping[str, str] = {"agree.vmap": _MAPPED, "agree.exported": _EXPORTED, "agree.scripted": _SCRIPTED}
_COMPARE = """
expected = expected_run({name: p.double() for name, p in parameters.items()}, x.double(), [h.double() for h in start], lengths)
for name, should in expected.items():
    off = (actual[name].double() - should).abs()
    print(name, "is off by", off.max().item())
    assert (off <= torch.as_tensor(allowed[name])).all(), f"{name} is off by {off.max():.3g}, allowed {allowed[name]}"
"""


def transformed(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the property asks for no transformation, or no truth can be had."""
    if prop.id not in THROUGH or not isinstance(case, Case) or case.dropout_active or not subject.offers("load"):
        return None
    with seeded(case.seed, case.device):
        trial = Trial(subject, case)
        allowed = limits(dict(trial.budget.allowed.parts()))
        return "\n".join([*stage(trial), f"allowed = {allowed}  # what rounding may do", THROUGH[prop.id] + _COMPARE])
