"""What can happen to a layer in its life: operations that change it, after which it has to be what it says it is."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnncheck.catalog.tools.deeds import unpickled
from rnncheck.catalog.tools.lifecycle import Life, generic, has_scripts, importable, parameters_are
from rnncheck.catalog.tools.lifecycle_deeds import (
    convert,
    halve,
    keep_halved,
    load_negated,
    optimizer_step,
    set_dropout,
    zero,
)
from rnncheck.core.case import DTYPES
from rnncheck.core.observation import Observation, equal, every
from rnncheck.core.subject import Layer
from rnncheck.running.trial import Trial

Operation = Callable[[Life], Observation]
OPERATIONS: dict[str, tuple[Operation, Callable[[Life], bool]]] = {}
"""Each operation by its name, and whether it can be performed on this layer."""


def operation(name: str, offered: Callable[[Life], bool] = lambda life: True) -> Callable[[Operation], Operation]:
    """Declare the decorated function as the operation of this name."""

    def declare(perform: Operation) -> Operation:
        OPERATIONS[name] = (perform, offered)
        return perform

    return declare


def perform(life: Life, name: str) -> Observation:
    """One operation, and whether the layer agrees with a new one afterwards, with the same parameters frozen."""
    life.done.append(name)
    frozen = life.frozen()
    seen = OPERATIONS[name][0](life) & life.agrees()
    return seen & equal(f"frozen parameters after {', '.join(life.done)}", life.frozen(), frozen)


def in_drawn_order(life: Life) -> list[str]:
    """The operations that can be performed on this layer, in an order that the case's seed draws."""
    names = [name for name, (_, offered) in OPERATIONS.items() if offered(life)]
    return [names[i] for i in torch.randperm(len(names), generator=life.trial.generator("order of operations")).tolist()]


def trains(life: Life) -> bool:
    """Whether it can be trained."""
    return life.trial.subject.offers("training")


def drops(life: Life) -> bool:
    """Whether its dropout acts, and can be changed as torch's can: a float called dropout, and no part of it has its own."""
    told = isinstance(getattr(life.module, "dropout", None), float) and life.trial.subject.offers("dropout")
    if not (told and trains(life) and life.trial.config.num_layers > 1):
        return False
    dropping = life.trial.but(dropout=0.5).build().module  # some build a part for it only where it is not 0
    return not any(isinstance(part, nn.Dropout | nn.RNNBase) for part in dropping.modules() if part is not dropping)


def batched(life: Life) -> bool:
    """Whether its input has a batch axis."""
    return life.trial.case.batch is not None


def takes_either_form(life: Life) -> bool:
    """Whether its input may be packed or padded."""
    return batched(life) and life.trial.subject.offers("packed") and min(life.trial.time, life.trial.batch) > 0


def takes_either_state(life: Life) -> bool:
    """Whether hx may be given or left out."""
    return life.trial.subject.offers("hx") and life.trial.subject.offers("hx_none")


def other_dtypes(life: Life) -> list[str]:
    """The dtypes that it also claims."""
    return [name for name in DTYPES if name != life.trial.case.dtype and life.trial.subject.offers(name)]


def owner(life: Life, parameter: Tensor) -> tuple[str, str] | None:
    """The submodule and attribute where this parameter lives."""
    for path, module in life.module.named_modules():
        for name, own in module.named_parameters(recurse=False):
            if own is parameter:
                return path, name
    return None


def drawn_parameter(life: Life) -> str:
    """The name of one parameter, the same whenever it is asked for."""
    names = list(life.layer.parameters())
    return names[life.trial.draw("parameter", 0, len(names) - 1)]


@operation("call")
def call(life: Life) -> Observation:
    """A call in the present mode."""
    return life.call()


@operation("train", trains)
def train(life: Life) -> Observation:
    """train(), and a call."""
    life.switch(True)
    return life.call()


@operation("eval", trains)
def evaluate(life: Life) -> Observation:
    """eval(), and a call."""
    life.switch(False)
    return life.call()


@operation("to(dtype) and back", lambda life: bool(other_dtypes(life)))
def to_dtype_and_back(life: Life) -> Observation:
    """to(another dtype), a call, and to(its own dtype)."""
    here, others = life.trial, other_dtypes(life)
    other = others[here.draw("dtype", 0, len(others) - 1)]
    state = here.map_state(lambda part: part.to(DTYPES[other]))
    here.do(convert, life.layer, DTYPES[other], doing=f"moving to {other}")
    here.but(dtype=other, x=here.x.to(DTYPES[other]), state=state, training=life.training).call_on(life.layer)
    here.do(convert, life.layer, here.case.torch_dtype, doing=f"moving back from {other}")
    return Observation()


@operation("load_state_dict")
def load_state_dict(life: Life) -> Observation:
    """Every parameter changes its sign through load_state_dict, of a model that the layer is a part of.

    Twice: from a checkpoint in double precision, which leaves the layer in its own, and from one in its own.
    """
    expected = {name: -value for name, value in life.parameters().items()}
    found = life.trial.do(load_negated, life.layer, doing="loading a state_dict")
    return every(parameters_are(now, expected, f"after load_state_dict {what}") for what, now in found.items())


def replaced(life: Life, copied: Layer) -> Observation:
    """The life goes on as the copy; the original is zeroed, which must not touch the copy."""
    before = life.parameters()
    life.trial.do(zero, life.layer)
    life.layer = copied
    return parameters_are(life.parameters(), before, f"of the copy ({life.done[-1]}), when the original is zeroed")


@operation("deepcopy", lambda life: not has_scripts(life.layer))  # a copy of TorchScript's may have other flags
def deepcopied(life: Life) -> Observation:
    """The life goes on as a deep copy."""
    return replaced(life, life.trial.do(copy.deepcopy, life.layer, doing="being copied"))


@operation("pickle", lambda life: importable(life.layer))
def pickled(life: Life) -> Observation:
    """The life goes on as what was pickled and unpickled."""
    return replaced(life, life.trial.do(unpickled, life.layer, doing="being pickled"))


@operation("optimizer step", trains)
def optimized(life: Life) -> Observation:
    """One step of SGD on the sum of all that is returned, no larger than 0.05 in any parameter."""
    life.trial.do(optimizer_step, life.layer, *life.trial.arguments, doing="an optimizer step")
    life.layer.train(life.training)
    return Observation()


def takes_parametrizations(life: Life) -> bool:
    """Whether it takes them at all, and the drawn parameter is a module's."""
    taken = life.trial.subject.offers("parametrize")
    return taken and owner(life, life.layer.parameters()[drawn_parameter(life)]) is not None


@operation("parametrize", takes_parametrizations)
def parametrized(life: Life) -> Observation:
    """One parameter is halved by a parametrization; after a look it becomes a parameter again."""
    name = drawn_parameter(life)
    expected, place = life.parameters(), owner(life, life.layer.parameters()[name])
    assert place is not None
    life.trial.do(halve, life.layer, *place, doing=f"parametrizing {name}")
    seen = life.agrees({**expected, name: expected[name] / 2})
    life.trial.do(keep_halved, life.layer, *place, doing=f"removing the parametrization of {name}")
    return seen


@operation("another dropout", drops)
def another_dropout(life: Life) -> Observation:
    """dropout is switched off or on, and a call."""
    life.dropout = 0.0 if life.dropout else 0.5
    life.trial.do(set_dropout, life.layer, life.dropout)
    return life.call()


def of_lengths(time: int, batch: int) -> tuple[int, ...]:
    """Return lengths for ``batch`` sequences of at most ``time`` steps, none of them 0."""
    return tuple(1 + (5 * row + 2) % time for row in range(batch))


def in_the_other_form(trial: Trial) -> Trial:
    """The same numbers packed where they are padded, and the other way."""
    return trial.but(lengths=None if trial.lengths else tuple(sorted(of_lengths(trial.time, trial.batch), reverse=True)))


@operation("packed or padded", takes_either_form)
def the_other_form(life: Life) -> Observation:
    """One call with packed input where the case's is padded, or the other way; then on as before, at the same sizes."""
    here = life.trial
    life.trial = in_the_other_form(here)
    seen = life.call() & life.agrees()
    life.trial = here
    return seen & life.call()


def resized(life: Life, time: int, batch: int) -> Observation:
    """The life goes on with input of another shape."""
    here = life.trial
    name = f"{time} steps of {batch}"
    state = here.map_state(lambda part: here.within_bounds(generic(here, name, (len(part), batch, part.shape[-1]))))
    lengths = here.lengths and of_lengths(time, batch)
    life.trial = here.but(x=generic(here, name, (time, batch, here.config.input_size)), state=state, lengths=lengths)
    return life.call()


@operation("another time")
def another_time(life: Life) -> Observation:
    """Input of another length from now on."""
    return resized(life, life.trial.draw("another time", 1, 6), life.trial.batch)


@operation("another batch", batched)
def another_batch(life: Life) -> Observation:
    """Another number of sequences from now on."""
    return resized(life, life.trial.time, life.trial.draw("another batch", 2, 5))


@operation("another hx", takes_either_state)
def another_state(life: Life) -> Observation:
    """hx is given from now on, or left out."""
    here = life.trial
    given = tuple(here.within_bounds(generic(here, "another hx", part.shape)) for part in here.given_state)
    life.trial = here.but(state=None if here.state is not None else given)
    return life.call()
