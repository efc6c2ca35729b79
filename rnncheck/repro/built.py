"""Scripts about a layer as it is built: its parameters' names, shapes and first values, and what its flags do."""

from dataclasses import replace
from typing import Any

import torch

from rnncheck.core.case import Case
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.repro.calls import recorded
from rnncheck.repro.literal import literal
from rnncheck.repro.preamble import building, run_lines
from rnncheck.running.trial import Trial

_INIT = """
import math

torch.manual_seed({seed})
layer = {build}
bound = {hidden} ** -0.5  # as documented, parameters are uniform within 1 / sqrt(hidden_size) of 0
drawn = {{name: p.detach().double().flatten() for name, p in layer.named_parameters()}}
for name, values in drawn.items():
    farthest = values.abs().max().item()
    assert farthest <= bound * (1 + {eps:.3g}), f"{{name}} has {{farthest}}, but should be within {{bound:.6g}} of 0"
    n, expected = len(values), (values.sort().values.clamp(-bound, bound) / bound + 1) / 2
    share = torch.arange(n + 1) / n
    distance = max((expected - share[1:]).abs().max().item(), (expected - share[:-1]).abs().max().item())
    allowed = math.sqrt(math.log(2e9) / (2 * n)) + {eps:.3g}  # exceeded by chance once in 10^9 (Dvoretzky, Kiefer, Wolfowitz)
    print(f"{{name}}: {{distance:.3g}} from uniform, allowed {{allowed:.3g}}")
    assert distance <= allowed, f"{{name}} is {{distance:.3g}} from uniform (Kolmogorov's distance), allowed {{allowed:.3g}}"
    copies = [other for other in drawn if other < name and torch.equal(values, drawn[other])]
    assert not copies, f"{{name}} is a copy of {{copies[0]}}"
"""
_PARAMETERS = """
layer = {build}
expected = {expected}
seen = {{name: tuple(p.shape) for name, p in layer.named_parameters()}}
print(seen)
assert seen == expected, f"parameters {{seen}}, but should be {{expected}}"
names = sorted(layer.state_dict())
assert names == sorted(expected), f"state_dict has {{names}}, but should have {{sorted(expected)}}"
dtypes = {{p.dtype for p in layer.parameters()}}
assert dtypes == {{{dtype}}}, dtypes
# after a call, a state_dict of torch's layer goes in, and comes out as it was
run(layer, {x}, {state})
torchs = {torchs}
layer.load_state_dict(torchs)
for name, value in torchs.items():
    assert torch.equal(layer.state_dict()[name], value), f"{{name}} is not what was loaded"
"""


def built(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the property is not about how a layer is built."""
    if not isinstance(case, Case):
        return None
    if prop.id == "weights.init":
        config = replace(case.config, input_size=24, hidden_size=96, proj_size=case.config.proj_size and 48)
        told = {"build": building(config, case), "hidden": config.hidden_size, "eps": torch.finfo(case.torch_dtype).eps}
        return _INIT.format(seed=case.seed, **told)
    if prop.id == "shape.parameters":
        return _parameters(subject, case)
    if prop.id == "weights.flags":
        return _flags(subject, prop, case)
    return None


def _parameters(subject: Subject, case: Case) -> str:
    trial = Trial(subject, case)
    text = _PARAMETERS.format(
        build=building(case.config, case), expected=literal(case.config.parameter_shapes()), dtype=case.torch_dtype,
        x=literal(trial.x), state=literal(trial.state or ()),
        torchs=literal({name: -value for name, value in case.parameters().items()}),
    )  # fmt: skip
    lengths = "" if trial.lengths is None else f"lengths = tensor({list(trial.lengths)})\n"
    return "\n".join([*run_lines(trial), "", "", lengths + text.lstrip()])


def _flags(subject: Subject, prop: Property, case: Case) -> str | None:
    """The calls of the property: a pair of them for each flag, of which one pair gave the same."""
    made = recorded(subject, prop, case)
    pair = next((place for place, part in enumerate(made.seen.parts) if part.worst() > 1), None)
    outputs = [name for event in made.events for name in event.values if name.startswith("output")]
    if pair is None or made.raised is not None:
        return None
    first, second = outputs[2 * pair : 2 * pair + 2]
    told = f"{made.seen.parts[pair].what}: none, but should be some"
    same = f"same = {first}.shape == {second}.shape and torch.equal({first}, {second})"
    return f"{made.text(case)}\n{same}\nassert not same, {told!r}\n"
