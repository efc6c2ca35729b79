"""What must hold of a model that replaces a reference: the same results, whatever it is called with, by its own work."""

import torch

from rnncheck.catalog.tools.pair_comparisons import (
    agree,
    agreeing,
    as_the_reference,
    filled_memory,
    gradients_agree,
    in_both_precisions,
    one_result,
    overwritten,
    sharp,
)
from rnncheck.catalog.tools.pair_deeds import changed_inputs, settled, shared_memory
from rnncheck.core.observation import Observation, equal, every, identical
from rnncheck.core.property import Family
from rnncheck.running.pair_reading import permuted
from rnncheck.running.pair_results import leaves, numbers, poison, shape_of
from rnncheck.running.pair_trial import PairTrial

pair = Family("pair")
KERNELBENCH = "ScalingIntelligence/KernelBench"
AGAIN = ("input", "other", "input")
IN_PLACE = ("input", "other", "other reversed", "input")
GIVEN_ROWS, GIVEN_STEPS = 2, 24
"""Batch and steps of a call with the given constructor arguments, where they are free: noise takes long to measure on more."""


@pair("agrees", formula="f'(x) = f(x)", source=KERNELBENCH, kind="differential", cost=10)
def agrees(trial: PairTrial) -> Observation:
    """All results agree with the reference's, in float64 where both models run there and in the case's own precision."""
    return in_both_precisions(trial, agree)


@pair("every_output", formula="structure(f'(x)) = structure(f(x))", source="torch.utils._pytree", kind="invariant")
def every_output(trial: PairTrial) -> Observation:
    """Every result of the reference is there, as a plain tensor of its shape and dtype, and no more."""
    found = dict(leaves(trial.session().call(trial.inputs())))
    expected = dict(leaves(trial.reference_in_dtype().call(trial.inputs())))
    told = {path: shape_of(value) for path, value in expected.items()}
    poison(expected)
    same = every(equal(path, shape_of(found[path]) if path in found else "nothing", words) for path, words in told.items())
    surplus = [path for path in found if path not in expected]
    plain = {path: type(value) for path, value in found.items() if isinstance(value, torch.Tensor)}
    kinds = (equal(f"type of {path}", kind.__name__, "Tensor") for path, kind in plain.items() if kind is not torch.nn.Parameter)
    return same & equal("more results", ", ".join(surplus), "") & every(kinds)


@pair("inputs", formula="x after f'(x) = x before", source="ScalingIntelligence/KernelBench", kind="invariant")
def inputs(trial: PairTrial) -> Observation:
    """The inputs stay as they are, bit for bit, unless the reference changes them too."""
    return as_the_reference(trial, "inputs changed by the call", changed_inputs, "input")


@pair("fresh", formula="memory(f'(x)) is new", source=KERNELBENCH, kind="invariant", cost=3)
def fresh(trial: PairTrial) -> Observation:
    """Results are new memory: later calls do not change them, and they share none with inputs or weights."""
    return as_the_reference(trial, "memory that results share", shared_memory, "input", "other")


@pair("settled", formula="f'(x) at once = f'(x) a moment later", source="CUDA streams, threading", kind="invariant", cost=3)
def settled_at_once(trial: PairTrial) -> Observation:
    """Everything is finished when the call returns: a moment later the results are the same, bit for bit."""
    seen = trial.session().do(settled, trial.inputs())
    return every(identical(f"{path} a moment later", value, seen["at once"][path]) for path, value in seen["later"].items())


@pair("fresh_memory", formula="f'(x) does not depend on torch.empty", source="torch.utils.deterministic.fill_uninitialized_memory",
      kind="invariant", cost=10)  # fmt: skip
def fresh_memory(trial: PairTrial) -> Observation:
    """No result depends on memory that was never written: filling it with NaN changes nothing."""
    session = trial.session()
    with filled_memory():
        found = numbers(session.call(trial.inputs()))
    return agreeing(trial, [found], "with NaN in new memory: ")


@pair("repeatable", formula="f'(x), f'(y), f'(x) = f(x), f(y), f(x)", source=KERNELBENCH, kind="metamorphic", cost=30)
def repeatable(trial: PairTrial) -> Observation:
    """Called with one input, another, and the first again, the model matches the reference each time."""
    return agree(sharp(trial), calls=AGAIN)


@pair("new_numbers", formula="x := y; f'(x) = f(y)", source="data_ptr() and sum() as fingerprints", kind="metamorphic", cost=40)
def new_numbers(trial: PairTrial) -> Observation:
    """With other numbers in the same tensors, and the same sum, the results match the reference's: no fingerprint is looked up."""
    exact = sharp(trial)
    return agreeing(exact, overwritten(exact.session(), IN_PLACE), "the same tensors, ", IN_PLACE)


@pair("weights", formula="w := v; f'(x; w) = f(x; v)", source="torch.nn.Module.load_state_dict", kind="metamorphic",
      needs=("weights",), cost=20)  # fmt: skip
def weights(trial: PairTrial) -> Observation:
    """Weights loaded after the first call are used in the next one: nothing of the old ones is kept."""
    exact = sharp(trial)
    other, session = exact.but(seed=exact.case.seed + 1), exact.session()
    session.call(exact.inputs())
    session.become(other)
    return agreeing(other, [session.results("input")], "with new weights: ")


@pair("rows", formula="f'(x)[i] = f'(x[i])", source="independent sequences of a batch", kind="metamorphic",
      needs=("exchange", "rows"), cost=20)  # fmt: skip
def rows(trial: PairTrial) -> Observation:
    """A row of the batch gives the same result alone as among others, and reordering the rows reorders the results."""
    exact = sharp(trial)
    reading, given = exact.reading, exact.inputs()
    place, axis = reading.rows[0]
    size = given[place].shape[axis]
    orders = {"rows turned": torch.arange(size).roll(1), **{f"row {i} alone": torch.tensor([i]) for i in {0, size - 1}}}
    found = {told: numbers(exact.session().call(permuted(given, reading.rows, order))) for told, order in orders.items()}
    budget = exact.budgets()[0]
    return every(
        one_result(f"{told}: {path}", results.get(path), budget.truth[path].index_select(at, orders[told]),
                   budget.allowed[path].index_select(at, orders[told]))
        for told, results in found.items() for path, at in reading.permutes.items()
    )  # fmt: skip


@pair("seeds", formula="f'(x; seed) = f(x; seed)", source="KernelBench level 3, problem 35", kind="metamorphic", needs=("draws",),
      cost=30)  # fmt: skip
def seeds(trial: PairTrial) -> Observation:
    """At every seed, forward draws the same state as the reference."""
    exact = sharp(trial)
    return every(agree(exact.but(seed=exact.case.seed + more), f"{more} seeds on: ") for more in (1, 2))


@pair("scales", formula="f'(s x) = f(s x), s = 1/1000, 10", source="ScalingIntelligence/KernelBench#165", kind="differential",
      cost=30)  # fmt: skip
def scales(trial: PairTrial) -> Observation:
    """Small inputs, large inputs and large weights give the reference's results too: none is a constant, and none is clipped."""
    exact = sharp(trial)
    small, large, heavy = exact.but(scale=1e-3), exact.but(scale=10.0), exact.but(weights="large")
    return agree(small, "input x 0.001: ") & agree(large, "input x 10: ") & agree(heavy, "large weights: ")


@pair("sizes", formula="f'(x) = f(x) for other batches and lengths", source=KERNELBENCH, kind="differential", cost=50)
def sizes(trial: PairTrial) -> Observation:
    """Other batch sizes, also larger than the given one, and other numbers of steps give the reference's results too."""
    exact, offers, larger = sharp(trial), trial.subject.offers, trial.reading.given_size("rows") + 1
    tried = [{"rows": n} for n in (1, 6, larger) if offers("rows")] + [{"steps": n} for n in (1, 19, 33) if offers("steps")]
    return every(agree(exact.but(**sizes), f"{size} {name}: ") for sizes in tried for name, size in sizes.items())


@pair("given", formula="f'(x) = f(x) for get_init_inputs()", source=KERNELBENCH, kind="differential", needs=("given",), cost=100)
def given(trial: PairTrial) -> Observation:
    """With the constructor arguments of get_init_inputs the results match the reference's, on few rows and steps."""
    least = {"rows": GIVEN_ROWS, "steps": GIVEN_STEPS}
    shorter = {name: size for name, size in least.items() if trial.subject.offers(name)}
    return agree(sharp(trial).but(small=False, **shorter), "as given: ")


@pair("long_memory", formula="f'(x) = f(x), forget gates near 1", source="Gers, Schmidhuber, Cummins 2000, Learning to forget",
      kind="differential", needs=("forgets_slowly", "steps"), cost=400)  # fmt: skip
def long_memory(trial: PairTrial) -> Observation:
    """With gates that forget slowly, the first steps of an input longer than the given one count as much as in the reference."""
    steps = trial.reading.given_size("steps") + 1
    return agree(sharp(trial).but(weights="long", steps=steps, scale=1.0), f"{steps} steps: ")


@pair("gradients", formula="df'/dx = df/dx, df'/dw = df/dw", source="torch.autograd", kind="derivative",
      needs=("pair_gradients",), cost=60)  # fmt: skip
def gradients(trial: PairTrial) -> Observation:
    """The gradients of inputs and weights match the reference's, wherever it has one."""
    return in_both_precisions(trial, gradients_agree)
