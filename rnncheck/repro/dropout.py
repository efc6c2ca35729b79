"""Scripts about dropout: how often values are dropped, where, and whether a seed settles it."""

from typing import Any

import torch

from rnncheck.catalog.tools.dropout_masks import kept_values, panes
from rnncheck.core.case import Case
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.repro.calls import recorded
from rnncheck.repro.literal import literal
from rnncheck.repro.preamble import limits, stage
from rnncheck.running.trial import Trial, seeded

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
calls = ("first call", "second call", "call after eval", "call under no_grad")
for told, h_n in zip(calls, (STATES)):
    for layer, (part, should) in enumerate(zip(h_n.unflatten(0, (DROPS + 1, -1)), LAYERS)):
        wrong = ((part - should).abs() > allowed) & ((part != 0) | (layer == 0))
        assert not wrong.any(), f"{told}: h_n of layer {layer} is neither {should} nor, above the first, 0"
for told, output in zip(calls, (OUTPUTS)):
    kept = output != 0
    masks.append(kept)
    wrong = int((kept & ((output - value).abs() > allowed)).sum())
    assert not wrong, f"{told}: {wrong} values are neither 0 nor {value}, which is what is kept, scaled by 1 / (1 - dropout)"
    by_chance(f"{told}, kept", int(kept.sum()), kept.numel(), p)
    turned = kept.transpose(0, 1)
    along = {"time": kept, "batch": turned, "features": kept.movedim(2, 0), "memory": kept.flatten()}
    along["memory, batch first"] = turned.flatten()
    for name, mask in along.items():
        for lag in (2**k for k in range(12) if 2 * 2**k <= len(mask)):
            one, other = mask[: len(mask) // (2 * lag) * 2 * lag].unflatten(0, (-1, 2, lag)).unbind(1)
            by_chance(f"{told}, alike {lag} apart along {name}", int((one == other).sum()), one.numel(), alike)
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


def dropout(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the property is not about dropout."""
    if not isinstance(case, Case) or not subject.offers("load"):
        return None
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


def _time_first(glass: Trial, output: str) -> str:
    """This output as (time, batch, features); packed, without the sequence that is shorter, whose rows come last."""
    time, batch, features = glass.time, glass.batch, glass.config.output_size
    if glass.lengths is not None:
        return f"torch.stack([step[:{batch - 1}] for step in {output}.split({[batch] * (time - 1) + [batch - 1]})])"
    if glass.config.batch_first:
        return f"{output}.reshape{(batch, time, features)}.transpose(0, 1)"
    return f"{output}.reshape{(time, batch, features)}"


def _counted(subject: Subject, prop: Property, case: Case) -> str | None:
    """The calls of the property, and what comes back counted."""
    made = recorded(subject, prop, case)
    calls = [event for event in made.events if event.kind == "call" and event.layer == 1]
    if made.raised is not None or len(calls) != 5:
        return None
    glass = panes(Trial(subject, case))
    counted = (calls[0], calls[1], calls[3], calls[4])
    outputs = [_time_first(glass, next(name for name in call.values if name.startswith("output"))) for call in counted]
    states = [next(name for name in call.values if name.startswith("state")) for call in counted]
    values, drops = kept_values(glass.config), glass.config.num_layers - 1
    value = values[-1]
    told = {
        "STATES": ", ".join(states), "LAYERS": repr(values),
        "VALUE": literal(value), "ALLOWED": f"{4 * (drops + 1) * torch.finfo(case.torch_dtype).eps * value:.3g}",
        "KEEP": repr(1 - glass.config.dropout), "DROPS": str(drops), "OUTPUTS": ", ".join(outputs),
    }  # fmt: skip
    last = _COUNT
    for name, text in told.items():
        last = last.replace(name, text)
    return made.text(case) + "\n" + last
