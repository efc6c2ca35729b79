"""A script that compares gradients with those of the documented equations in float64, as the property asks for them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from rnncheck import oracle
from rnncheck.catalog.tools.autocast import drawn_autocast, in_its_dtype
from rnncheck.catalog.tools.finite_differences import in_double, whole_in_double
from rnncheck.core.case import Case
from rnncheck.core.property import Property
from rnncheck.core.run import Run
from rnncheck.core.subject import Subject
from rnncheck.repro.graphs import OPEN
from rnncheck.repro.literal import literal
from rnncheck.repro.preamble import limits, stage
from rnncheck.running.trial import Trial, seeded

_FUNCTIONS = '''

def leaves_of(parameters, dtype=x.dtype):
    """Input and states as new leaves, and these parameters, by name."""
    given = dict(zip(("input", "h_0", "c_0"), (x, *state)))
    return {name: leaf.to(dtype, copy=True).requires_grad_() for name, leaf in given.items()} | parameters


def states_in(leaves):
    return [leaves[name] for name in ("h_0", "c_0") if name in leaves]


def actual(leaves):
    return run(layer, leaves["input"], states_in(leaves))


def truth(leaves):
    return expected_run(leaves, leaves["input"], states_in(leaves) or [part.double() for part in start], lengths)


def loss_of(results, parts=tuple(cotangents)):
    return sum((results[name] * cotangents[name].to(results[name].dtype)).sum() for name in parts)


def gradients(loss, leaves, **options):
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, **options)))


def exact_leaves():
    return leaves_of({name: p.double().requires_grad_() for name, p in parameters.items()}, torch.float64)


def true_gradients(parts=tuple(cotangents)):
    leaves = exact_leaves()
    return gradients(loss_of(truth(leaves), parts), leaves)


def compare(found, expected, told=""):
    for name, gradient in found.items():
        should, got = (torch.zeros(()) if g is None else g.double() for g in (expected[name], gradient))
        off, limit = (got - should).abs(), torch.as_tensor(allowed[name])
        assert (off <= limit).all(), f"{told}gradient of {name} is off by {off.max():.3g}, allowed {limit.max():.3g}"
    print(f"{told or 'the '}gradients of {', '.join(found)} are right")


'''
_ALL_RESULTS = """leaves = leaves_of(own)
compare(gradients(loss_of(actual(leaves)), leaves), true_gradients())
"""
_SOME_RESULTS = """# the loss may use any of the results and ignore the others
for parts in [*((name,) for name in cotangents), tuple(cotangents)]:
    leaves = leaves_of(own)
    compare(gradients(loss_of(actual(leaves), parts), leaves), true_gradients(parts), f"loss of {' and '.join(parts)}: the ")
"""
_STATES_ALONE = """# a loss of the final states alone
parts = tuple(name for name in cotangents if name != "output")
leaves = leaves_of(own)
compare(gradients(loss_of(actual(leaves), parts), leaves), true_gradients(parts), "loss of the final states: the ")
"""
_TWICE = """# two backward passes through one graph add up
leaves = leaves_of(own)
loss = loss_of(actual(leaves)) / 2
loss.backward(retain_graph=True)
loss.backward()
compare({name: leaf.grad for name, leaf in leaves.items()}, true_gradients(), "two passes: the ")
for leaf in leaves.values():
    leaf.grad = None
for call in range(2):
    (loss_of(actual(leaves)) / 2).backward()
compare({name: leaf.grad for name, leaf in leaves.items()}, true_gradients(), "two calls: the ")
"""
_BOTH_MODES = """# without dropout, train() and eval() have the same gradients
for training in (True, False):
    layer.train(training)
    leaves = leaves_of(own)
    compare(gradients(loss_of(actual(leaves)), leaves), true_gradients(), f"train({training}): the ")
"""
_ANY_SUBSET = """# whatever requires gradients gets them, and nothing else does
names, expected = list(leaves_of(own)), true_gradients()
for wanted in [[name] for name in names] + [[other for other in names if other != name] for name in names] + [list(own)]:
    leaves = leaves_of(own)
    for name, leaf in leaves.items():
        leaf.grad = None
        leaf.requires_grad_(name in wanted)
    loss_of(actual(leaves)).backward()
    others = [name for name, leaf in leaves.items() if name not in wanted and leaf.grad is not None]
    assert not others, f"only {wanted} require gradients, but there are some of {others}"
    compare({name: leaves[name].grad for name in wanted}, expected, f"only {', '.join(wanted)} requires gradients: the ")
"""
_PENALTY = """# the gradient of a penalty on the input's gradient: differentiated twice
def penalty(results, leaves):
    return gradients(loss_of(results), {"input": leaves["input"]}, create_graph=True)["input"].square().sum()


leaves = exact_leaves()
expected = gradients(penalty(truth(leaves), leaves), {name: leaves[name] for name in own})
leaves = leaves_of(own)
found = gradients(penalty(actual(leaves), leaves), own)
half_the_digits = torch.finfo(x.dtype).eps ** 0.5
allowed = {name: 0.0 if g is None else half_the_digits * g.abs().max().item() for name, g in expected.items()}
compare(found, expected, "penalty: the ")
"""
_REFUSED_OR_RIGHT = _PENALTY.replace(
    "found = gradients(penalty(actual(leaves), leaves), own)\n",
    """try:
    found = gradients(penalty(actual(leaves), leaves), own)
except Exception as error:
    print("refused, as it may be:", error)
    found = expected
""",
)
_FORWARD_MODE = """# forward-mode derivatives are the transpose of backward's: <jvp(v), w> = <v, vjp(w)>
from torch.autograd import forward_ad

given = {name: leaf.detach() for name, leaf in leaves_of({}).items()}
along = {name: torch.ones_like(leaf) for name, leaf in given.items()}
with forward_ad.dual_level():
    results = actual({name: forward_ad.make_dual(leaf, along[name]) for name, leaf in given.items()})
    tangents = {name: forward_ad.unpack_dual(part).tangent for name, part in results.items()}
forward = loss_of({name: torch.zeros_like(cotangents[name]) if t is None else t for name, t in tangents.items()}).item()
expected = sum(g.sum().item() for name, g in true_gradients().items() if name in along)
limit = 2 * sum(torch.as_tensor(allowed[name]).expand_as(leaf).sum().item() for name, leaf in given.items())
assert abs(forward - expected) <= limit, f"<jvp(v), w> = {forward}, but should be {expected}; allowed {limit:.3g}"
"""
_AUTOCAST = """# under autocast, as mixed precision training does it; the allowed errors are those of its rounding
leaves = leaves_of(own)
with torch.no_grad(), torch.autocast("cpu", LOW):
    for p in own.values():  # of a first call with other parameters nothing may be left
        p.add_(0.5)
    run(layer, x, state)
    for name, p in own.items():
        p.copy_(parameters[name])
with torch.no_grad(), torch.autocast("cpu", LOW):
    without = {name: part.float() for name, part in run(layer, x, state).items()}
    low = {name: part.float() for name, part in run(layer, x.to(LOW), state).items()}
with torch.autocast("cpu", LOW):
    results = {name: part.float() for name, part in actual(leaves).items()}
for name, should in truth(exact_leaves()).items():
    for told, found in (("", results), (" without gradients", without), (" of input in LOW", low)):
        off = (found[name].double() - should).abs()
        assert (off <= torch.as_tensor(allowed[name])).all(), f"{name}{told} is off by {off.max():.3g}, allowed {allowed[name]}"
compare(gradients(loss_of(results), leaves), true_gradients())
"""
_RESULTS_TOO = """results = actual(leaves)
for name, should in truth(exact_leaves()).items():
    off = (results[name].double() - should).abs()
    assert (off <= torch.as_tensor(allowed[name])).all(), f"{name} is off by {off.max():.3g}, allowed {allowed[name]}"
compare(gradients(loss_of(results), leaves), true_gradients())
"""
_COMPILED = """# through torch.compile: the same results and the same gradients
layer = torch.compile(layer, backend="aot_eager", dynamic=False)
leaves = leaves_of(own)
"""
_FUNCTIONAL = """# through functional_call: the results and gradients of other parameters, while the layer's own are 1
elsewhere = {name: p.detach().clone().requires_grad_() for name, p in own.items()}
called = {mine: elsewhere[name] for mine, p in layer.named_parameters() for name, q in own.items() if q is p}
with torch.no_grad():
    for p in layer.parameters():
        p.fill_(1.0)
module = layer


def layer(*arguments):
    return torch.func.functional_call(module, called, arguments)


leaves = leaves_of(elsewhere)
"""
Prepare = Callable[[Trial], Trial]


def _as_it_is(trial: Trial) -> Trial:
    return trial


def _elsewhere(trial: Trial) -> Trial:
    """With the other parameters that the property calls the layer with."""
    return trial.but(parameters={name: trial.like(p, f"another {name}", 0.5) for name, p in trial.parameters.items()})


AS_ASKED: Mapping[str, tuple[str, Prepare]] = {
    "gradient.reference": (_ALL_RESULTS, _as_it_is),
    "gradient.every_output": (_SOME_RESULTS, _as_it_is),
    "gradient.accumulates": (_TWICE, _as_it_is),
    "gradient.eval_is_train": (_BOTH_MODES, lambda trial: trial.but(dropout=0.0)),
    "gradient.any_requires_grad": (_ANY_SUBSET, _as_it_is),
    "gradient.penalty": (_PENALTY, in_double),
    "gradient.numerical": (_ALL_RESULTS, in_double),
    "gradient.through_final_state": (_STATES_ALONE, whole_in_double),
    "gradient.into_initial_state": (_ALL_RESULTS, whole_in_double),
    "gradient.second": (_PENALTY, in_double),
    "gradient.second_refused": (_REFUSED_OR_RIGHT, in_double),
    "gradient.forward_mode": (_FORWARD_MODE, _as_it_is),
    "agree.autocast": (_AUTOCAST, lambda trial: in_its_dtype(trial, drawn_autocast(trial))),
    "agree.compiled": (_COMPILED + _RESULTS_TOO, _as_it_is),
    "agree.functional": (_FUNCTIONAL + _RESULTS_TOO, _elsewhere),
    **{id: (last, _as_it_is) for id, last in OPEN.items()},
}
"""How each property asks for gradients, as the last lines of a script, and on which data."""


def gradients_asked(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the property does not ask for gradients, or no truth can be had."""
    if prop.id not in AS_ASKED or not isinstance(case, Case) or not subject.offers("load"):
        return None
    last, prepare = AS_ASKED[prop.id]
    with seeded(case.seed, case.device):
        trial = prepare(Trial(subject, case))
        if trial.case.dropout_active:
            return None
        low = drawn_autocast(trial).fast_dtype if prop.id == "agree.autocast" else None
        weights = _cotangents(trial, low or trial.x.dtype)
        allowed = limits(_allowed(trial, weights, low))
    cotangents = ", ".join(f"{name!r}: {literal(part)}" for name, part in weights.parts())
    return "\n".join([
        *stage(trial),
        f"cotangents = {{{cotangents}}}",
        f"allowed = {literal(allowed)}  # what rounding may do",
        _FUNCTIONS + last.replace("LOW", str(low)),
    ])  # fmt: skip


def _cotangents(trial: Trial, low: torch.dtype) -> Run:
    """The trial's own, without needing its run (that may be what fails), rounded to a dtype."""
    sizes = {"h_n": trial.config.state_size, "c_n": trial.config.hidden_size}
    shapes = {"output": (trial.time, trial.batch, trial.config.output_size)}
    states = zip(("h_n", "c_n"), trial.given_state, strict=False)
    shapes |= {name: (len(part), trial.batch, sizes[name]) for name, part in states}
    drawn = {name: trial.like(trial.x.new_empty(shape), f"cotangent of {name}") for name, shape in shapes.items()}
    return Run(**{name: part.to(low).to(part.dtype) for name, part in drawn.items()})


def _allowed(trial: Trial, weights: Run, autocast: torch.dtype | None) -> dict[str, Tensor]:
    """The allowed error of each result and each gradient."""
    rounding = oracle.rounding_for(trial.case.torch_dtype, trial.case.device, autocast=autocast)
    slopes = oracle.gradient_budget(*trial.question, weights, rounding=rounding, seed=trial.case.seed).allowed
    return {**slopes, **dict(oracle.budget(*trial.question, rounding=rounding, seed=trial.case.seed).allowed.parts())}
