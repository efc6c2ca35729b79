"""Scripts about dropout: how often values are dropped, where, and whether a seed settles it."""

from typing import Any

import torch

from rnncheck.case import Case
from rnncheck.catalog.masks import kept_values, panes
from rnncheck.property import Property
from rnncheck.repro.calls import recorded
from rnncheck.repro.literal import literal
from rnncheck.repro.stage import limits, stage
from rnncheck.subject import Subject
from rnncheck.trial import Trial, seeded

_COUNT = '''
import math


def by_chance(told, count, trials, p):
    """A count so far from trials * p comes at most once in 10^9 (Chernoff's bound)."""
    print(f"{told}: {count} of {trials}, expected about {trials * p:.0f}")
    surprise = sum(k * math.log(k / trials / q) for k, q in ((count, p), (trials - count, 1 - p)) if k)
    assert surprise <= math.log(2e9), f"{told}: {count} of {trials}, but expected about {trials * p:.0f}"


# Each unit passes on one unit of the layer below and no more, so every output is 0 (dropped on its way) or `value`.
value, allowed = VALUE, ALLOWED
p = KEEP ** DROPS  # that a value is kept all the way
alike = p * p + (1 - p) ** 2  # that two values are both kept or both dropped
masks = []
for told, output in zip(("first call", "second call", "call after eval"), (OUTPUTS)):
    kept = output != 0
    masks.append(kept)
    wrong = int((kept & ((output - value).abs() > allowed)).sum())
    assert not wrong, f"{told}: {wrong} values are neither 0 nor {value}, which is what is kept, scaled by 1 / (1 - dropout)"
    by_chance(f"{told}, kept", int(kept.sum()), kept.numel(), p)
    for axis, name in enumerate(("time", "batch", "features")):
        one, other = kept.narrow(axis, 0, kept.shape[axis] // 2 * 2).unflatten(axis, (-1, 2)).unbind(axis + 1)
        if one.numel():
            by_chance(f"{told}, alike with the neighbour in {name}", int((one == other).sum()), one.numel(), alike)
by_chance("alike in two calls", int((masks[0] == masks[1]).sum()), masks[0].numel(), alike)
'''
_FIRST_LAYER = """
torch.manual_seed(0)
h_n = run(layer, x, state)["h_n"][:DIRECTIONS].double()
expected = expected_run({name: p.double() for name, p in parameters.items()}, x.double(), [h.double() for h in start], lengths)
off = (h_n - expected["h_n"][:DIRECTIONS]).abs()
print("h_n of the first layer:", h_n.tolist(), "but should be", expected["h_n"][:DIRECTIONS].tolist())
assert (off <= torch.as_tensor(allowed)).all(), f"the first layer, below which nothing is dropped, is off by {off.max():.3g}"
"""
_SEED = """
for again in range(64):
    torch.manual_seed(0)
    now = run(layer, x, state)
    first = now if again == 0 else first
    for name, part in now.items():
        assert torch.equal(part, first[name]), f"{name} of call {again} differs from the first, after the same manual_seed"
"""


def dropout(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the property is not about dropout."""
    if not isinstance(case, Case) or not subject.offers("load"):
        return None
    if prop.id == "mode.repeatable" and case.dropout_active:
        with seeded(case.seed, case.device):
            return "\n".join([*stage(Trial(subject, case), equations=False), _SEED])
    if prop.id == "mode.dropout_between_layers":
        return _first_layer(subject, case) or _counted(subject, prop, case)
    return None


def _first_layer(subject: Subject, case: Case) -> str | None:
    """Where the first layer, below which nothing is dropped, is wrong."""
    with seeded(case.seed, case.device):
        trial = Trial(subject, case)
        loud, budget, states = trial.but(training=True), trial.but(training=False).budget, case.config.directions
        right = budget.ratios(loud.run).h_n[:states]
        if bool((right <= 1).all()):
            return None
        allowed = limits({"h_n": budget.allowed.h_n[:states]})["h_n"]
        last = _FIRST_LAYER.replace("DIRECTIONS", str(states))
        return "\n".join([*stage(loud), f"allowed = {allowed}  # what rounding may do", last])


def _counted(subject: Subject, prop: Property, case: Case) -> str | None:
    """The calls of the property, and what comes back counted."""
    made = recorded(subject, prop, case)
    calls = [event for event in made.events if event.kind == "call" and event.layer == 1]
    if made.raised is not None or len(calls) != 4:
        return None
    glass = panes(Trial(subject, case))
    sizes, turned = (glass.time, glass.batch, glass.config.output_size), case.config.batch_first and case.lengths is None
    shape = f".reshape{(sizes[1], sizes[0], sizes[2])}.transpose(0, 1)" if turned else f".reshape{sizes}"
    outputs = [next(name for name in call.values if name.startswith("output")) + shape for call in (calls[0], calls[1], calls[3])]
    value, drops = kept_values(glass.config)[-1], glass.config.num_layers - 1
    told = {
        "VALUE": literal(value), "ALLOWED": f"{4 * (drops + 1) * torch.finfo(case.torch_dtype).eps * value:.3g}",
        "KEEP": repr(1 - glass.config.dropout), "DROPS": str(drops), "OUTPUTS": ", ".join(outputs),
    }  # fmt: skip
    last = _COUNT
    for name, text in told.items():
        last = last.replace(name, text)
    return made.text(case) + "\n" + last
