"""What must hold of the graph that a call leaves behind: backward goes by that call, whatever happened in between."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.catalog.tools.conditions import at_least, deterministic
from rnncheck.catalog.tools.gradients import Gradients, agree, leaves_of, loss_of, states_in
from rnncheck.core.case import Layout
from rnncheck.core.observation import Observation, every, identical
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.layout import lay_out
from rnncheck.running.trial import SubjectError, Trial, subject_boundary

graph = Family("graph")
TRAINING = ("training",)
some = deterministic & at_least(time=1, batch=1)


class PendingCall:
    """A call that is still to be differentiated: what the layer was given, what it returned, and what may want gradients."""

    def __init__(self, trial: Trial, layer: Layer) -> None:
        self.trial, self.leaves = trial, leaves_of(trial)
        self.wanted = {**self.leaves, **{name: p for name, p in layer.parameters().items() if p.requires_grad}}
        with torch.enable_grad(), subject_boundary("calling"):
            self.given = trial.lay_out(self.leaves["input"], states_in(self.leaves))
            self.output, self.state = layer(*self.given)

    @property
    def results(self) -> list[Tensor]:
        """The output (a packed one's data) and the final states, as the layer returned them."""
        return [_data(self.output), *self.state]

    def run(self, results: Sequence[Tensor]) -> Run:
        """Such results as a Run."""
        output, *state = results
        packed = isinstance(self.output, PackedSequence)
        return self.trial.read(PackedSequence(output, *self.output[1:]) if packed else output, tuple(state))

    def incoming(self, weights: Run) -> list[Tensor]:
        """The gradients of the loss by the results as they were returned."""
        ends = [part.detach().requires_grad_() for part in self.results]
        return list(torch.autograd.grad(loss_of(self.run(ends), weights), ends, materialize_grads=True))

    def backward(self, incoming: Sequence[Tensor]) -> Gradients:
        """The gradients by name."""
        with subject_boundary("running backward"):
            pairs = [(part, g) for part, g in zip(self.results, incoming, strict=True) if part.requires_grad]
            ends, given = [part for part, _ in pairs], [g for _, g in pairs]
            found = torch.autograd.grad(ends, list(self.wanted.values()), given, allow_unused=True)
        return dict(zip(self.wanted, found, strict=True))


def _data(given: Any) -> Tensor:
    return given.data if isinstance(given, PackedSequence) else given


@graph("memory", formula="backward(w) is that of contiguous w, and w ≡ before", source="Tensor.contiguous; a loss of y.T, y.sum()",
       kind="derivative", needs=TRAINING, applies=some, cost=20)  # fmt: skip
def memory(trial: Trial) -> Observation:
    """Incoming gradients may be transposed, strided, expanded or offset in memory: backward is right and leaves them unchanged."""
    weights, layer = trial.cotangents(), trial.layer
    right = trial.gradients(weights)

    def through(name: Layout) -> Observation:
        call = PendingCall(trial, layer)
        plain = call.incoming(weights)
        given = [lay_out(g, name) for g in plain]
        found = call.backward(given)
        pairs = enumerate(zip(given, plain, strict=True))
        kept = every(identical(f"incoming gradient {i}, {name}", g, was) for i, (g, was) in pairs)
        return kept & agree(trial, found, right, why=f"incoming gradients {name}: ")

    in_full = every(through(name) for name in get_args(Layout) if name != "expanded")
    return in_full & (of_the_sum(trial, layer) if trial.lengths is None else Observation())


def of_the_sum(trial: Trial, layer: Layer) -> Observation:
    """The loss is the sum of all results: each gradient arrives as one number, expanded."""
    ones = trial.run.map(torch.ones_like)
    call = PendingCall(trial, layer)
    found = call.backward([g.new_ones(()).expand(g.shape) for g in call.incoming(ones)])
    return agree(trial, found, trial.gradients(ones), ones, why="incoming gradients expanded: ")


@graph("several", formula="y = f(x), y' = f(x'): d y, d y' each as if alone, in either order",
       source="torch.autograd.Function: ctx", kind="derivative", needs=TRAINING, applies=some, cost=20)  # fmt: skip
def several(trial: Trial) -> Observation:
    """Two calls may await backward at once: each gets the gradients it has alone, whichever backward runs first."""
    layer, other = trial.layer, trial.but(x=trial.like(trial.x, "another input"))
    weights = {t: t.cotangents() for t in (trial, other)}
    alone = {t: t.gradients(weights[t], trial.build()) for t in (trial, other)}

    def first(order: tuple[Trial, Trial], what: str) -> Observation:
        open_calls = {t: PendingCall(t, layer) for t in (trial, other)}
        found = {t: open_calls[t].backward(open_calls[t].incoming(weights[t])) for t in order}
        return every(agree(t, found[t], alone[t], why=f"{what} differentiated first: ") for t in order)

    return first((trial, other), "the earlier call") & first((other, trial), "the later call")


@torch.no_grad()
def _add(*tensors: Tensor) -> None:
    for tensor in tensors:
        if tensor.is_floating_point():
            tensor.add_(1.0)


Write = Callable[[Layer, PendingCall], None]
CHANGED: Mapping[str, Write] = {
    "the input": lambda layer, call: _add(_data(call.given[0])),
    "the state": lambda layer, call: _add(*(call.given[1] or ())),
    "the parameters": lambda layer, call: _add(*layer.parameters().values()),
    "the output": lambda layer, call: _add(call.results[0]),
    "the final state": lambda layer, call: _add(*call.state),
}
"""What may be written into between a call and its backward."""


def computes_again(trial: Trial, layer: Layer) -> bool:
    """Whether backward runs a part of the call again, as torch.utils.checkpoint does, which does not see what has changed."""
    refusal = "saved tensors are kept as they are here"
    try:
        with torch.autograd.graph.disable_saved_tensors_hooks(refusal):
            PendingCall(trial, layer)
    except SubjectError as error:
        if refusal in str(error.cause):
            return True
        raise
    return False


@graph("changed", formula="y = f(x); v += 1: backward raises, or gives d f(x)",
       source="torch.autograd: in-place correctness checks", kind="derivative", needs=TRAINING, applies=some, cost=20)  # fmt: skip
def changed(trial: Trial) -> Observation:
    """If anything a call used or returned is modified in place before backward, backward raises or is still right."""
    weights = trial.cotangents()
    right = trial.gradients(weights)
    if computes_again(trial, trial.build()):
        raise NotClaimed("parts of the call are run again for backward, which torch cannot tell to be changed")

    def after(what: str) -> Observation:
        layer = trial.build()
        call = PendingCall(trial, layer)
        incoming = call.incoming(weights)
        with subject_boundary(f"writing into {what}"):
            CHANGED[what](layer, call)
        try:
            found = call.backward(incoming)
        except SubjectError:  # it is refused, as autograd does it
            return Observation()
        return agree(trial, found, right, why=f"{what} changed between call and backward: ")

    return every(after(what) for what in CHANGED)


@graph("unfrozen", formula="f frozen, f(x), f unfrozen: d f(x) as ever", source="Tensor.requires_grad_: fine-tuning in stages",
       kind="derivative", needs=TRAINING, applies=some, cost=4)  # fmt: skip
def unfrozen(trial: Trial) -> Observation:
    """A layer that was called while frozen has all its gradients again once unfrozen."""
    layer, weights = trial.build(), trial.cotangents()
    free = [p for p in layer.parameters().values() if p.requires_grad]
    for parameter in free:
        parameter.requires_grad_(False)
    trial.call_on(layer)
    for parameter in free:
        parameter.requires_grad_(True)
    return agree(trial, trial.gradients(weights, layer), trial.gradients(weights))
