"""A script that compares gradients with differences, for a recurrence whose equations are not known."""

from collections.abc import Callable, Mapping
from typing import Any

from rnncheck.catalog.tools.finite_differences import STEP, in_double, whole_in_double
from rnncheck.core.case import Case
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.repro.literal import literal
from rnncheck.repro.preamble import stage
from rnncheck.running.trial import Trial, seeded

_BODY = """
leaves = {{**dict(zip(("input", "h_0", "c_0"), (x, *state))), **own}}
for leaf in leaves.values():
    leaf.requires_grad_()


def loss():
    results = run(layer, leaves["input"], [leaves[name] for name in ("h_0", "c_0") if name in leaves])
    return sum((results[name] * weight).sum() for name, weight in cotangents.items())


value = loss()
found = dict(zip(leaves, torch.autograd.grad(value, list(leaves.values()), allow_unused=True)))
for name in {wanted}:
    torch.manual_seed(1)
    leaf, along = leaves[name], torch.randn_like(leaves[name])
    step = {step} / max(1.0, along.norm().item())
    with torch.no_grad():
        leaf.add_(along, alpha=step)
        above = loss().item()
        leaf.sub_(along, alpha=2 * step)
        below = loss().item()
        leaf.add_(along, alpha=step)
    slope = 0.0 if found[name] is None else (found[name] * along).sum().item()
    difference, size = (above - below) / (2 * step), abs(slope) + abs(value.item()) + 1e-9
    allowed = {step} * size + min(abs(above - 2 * value.item() + below) / step, size)  # a kink may lie between
    told = f"slope along a direction of {{name}}: {{slope:.6g}} by backward, but {{difference:.6g}} by differences"
    print(told)
    assert abs(slope - difference) <= allowed, f"{{told}}; allowed {{allowed:.3g}}"
"""
ON_WHICH: Mapping[str, Callable[[Trial], Trial]] = {
    "gradient.numerical": in_double,
    "gradient.through_final_state": whole_in_double,
    "gradient.into_initial_state": whole_in_double,
}
"""The properties that compare with differences, and on which data."""


def differences(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the property compares with no differences."""
    if prop.id not in ON_WHICH or not isinstance(case, Case) or subject.offers("load"):
        return None
    with seeded(case.seed, case.device):
        trial = ON_WHICH[prop.id](Trial(subject, case))
        lines, weights = stage(trial, equations=False), dict(trial.cotangents().parts())
    if prop.id == "gradient.through_final_state":
        del weights["output"]
    wanted = '[name for name in ("h_0", "c_0") if name in leaves]' if prop.id == "gradient.into_initial_state" else "leaves"
    cotangents = ", ".join(f"{name!r}: {literal(part)}" for name, part in weights.items())
    return "\n".join([*lines, f"cotangents = {{{cotangents}}}", _BODY.format(wanted=wanted, step=STEP)])
