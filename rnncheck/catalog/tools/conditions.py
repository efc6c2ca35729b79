"""The words in which properties say which cases they speak of."""

from collections.abc import Callable

from rnncheck.core.kinds import Kind, names_where
from rnncheck.core.named import NamedTensor
from rnncheck.core.property import Condition, anywhere

__all__ = [
    "anywhere",
    "at_least",
    "all_mixed",
    "batched",
    "bidirectional",
    "blends",
    "deterministic",
    "differentiable",
    "gated",
    "has_bias",
    "has_a_bound",
    "has_cell",
    "has_dropout",
    "has_torch_cell",
    "hx_given",
    "is_float32",
    "on_cuda",
    "may_be_zero",
    "one_direction",
    "one_layer",
    "packed",
    "padded",
    "saturating",
    "stacked",
    "unbatched",
    "unsorted",
    "with_bounds",
    "with_named_axes",
    "with_reset_flags",
    "without_projection",
]


def of_kinds(holds: Callable[[Kind], bool]) -> Condition:
    """Return the condition that this holds of a case's kind of layer; in words, the names of these kinds."""
    return Condition(names_where(holds), lambda case: holds(case.config.kind))


deterministic = Condition("dropout inactive", lambda case: not case.dropout_active)
one_direction = Condition("one direction", lambda case: not case.config.bidirectional)
bidirectional = Condition("two directions", lambda case: case.config.bidirectional)
one_layer = Condition("one layer", lambda case: case.config.num_layers == 1)
stacked = Condition("several layers", lambda case: case.config.num_layers > 1)
padded = Condition("input not packed", lambda case: case.lengths is None)
packed = Condition("packed input", lambda case: case.lengths is not None)
unsorted = Condition("packed input, not longest first", lambda case: case.lengths is not None and not case.sorted_lengths)
batched = Condition("input with a batch axis", lambda case: case.batch is not None)
unbatched = Condition("input without a batch axis", lambda case: case.batch is None)
has_bias = Condition("bias=True", lambda case: case.config.bias)
has_cell = of_kinds(lambda kind: "c" in kind.letters)
blends = of_kinds(lambda kind: kind.blends)
gated = of_kinds(lambda kind: bool(kind.sigmoids))
has_torch_cell = Condition("no reset gate before the product", lambda case: case.config.kind.in_torch)
without_projection = Condition("no projection", lambda case: not case.config.proj_size)
saturating = Condition("tanh or gates, no relu", lambda case: not case.config.kind.rectifies)
has_dropout = Condition("dropout between layers", lambda case: case.config.dropout > 0 and case.config.num_layers > 1)
hx_given = Condition("hx given", lambda case: case.hx != "none")
is_float32 = Condition("float32", lambda case: case.dtype == "float32")
on_cuda = Condition("a CUDA device", lambda case: case.device.startswith("cuda"))
differentiable = Condition("train()", lambda case: case.training)


all_mixed = Condition("every unit sees every feature of the input", lambda case: case.config.named is None)


may_be_zero = Condition(
    "zero is within the bounds of each state",
    lambda case: case.config.named is None or all((one.low or 0) <= 0 <= (one.high or 0) for one in case.config.named.states),
)
with_named_axes = Condition("read from its types", lambda case: case.config.named is not None)


def has_a_bound(one: NamedTensor) -> bool:
    """Return whether the type of an argument says bounds of its values, and it is no flag."""
    return not one.flags and (one.low is not None or one.high is not None)


with_reset_flags = Condition(
    "reset flags are given",
    lambda case: case.config.named is not None and any(one.resets for one in case.config.named.given_sequences),
)

with_bounds = Condition(
    "values with bounds are given",
    lambda case: case.config.named is not None and any(map(has_a_bound, case.config.named.given_sequences)),
)


def at_least(*, time: int = 0, batch: int = 0, hidden: int = 0) -> Condition:
    """Cases with at least these many steps, sequences, hidden units."""
    wanted = {"time": time, "batch": batch, "hidden": hidden}
    words = ", ".join(f"{name} >= {size}" for name, size in wanted.items() if size)
    return Condition(words, lambda case: case.time >= time and case.rows >= batch and case.config.hidden_size >= hidden)
