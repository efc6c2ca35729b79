"""A candidate that is called, and what was done with it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import is_
from typing import Any

import torch
from torch import Tensor

from rnncheck.running.new_memory import nan_in_new_memory
from rnncheck.running.pair import built, load, matched
from rnncheck.running.pair_draws import default_dtype
from rnncheck.running.pair_events import Called, Did, Loaded
from rnncheck.running.pair_reference import COUNTS, PairReference
from rnncheck.running.pair_results import Tensors, numbers
from rnncheck.running.subject_errors import seeded, subject_boundary


class PairSession:
    """A new candidate with the case's weights, called in turn; call ``n`` starts at the random state of the n-th.

    sessions: where it is noted with all that is done, for those who want to write it down
    """

    def __init__(self, trial: PairReference, sessions: "list[PairSession] | None" = None) -> None:
        self.trial, self.case, self.count, self.noted = trial, trial.case, 0, sessions is not None
        self.events: list[Loaded | Called | Did] = []
        self._last: Sequence[Any] = ()
        if sessions is not None:
            sessions.append(self)
        case, pair = trial.case, trial.pair
        with subject_boundary("building"):
            self.model = built(pair.candidate.object, trial.init, case.seed, trial.dtype, case.device).train(case.training)
        self.names = matched(trial.reference, self.model)
        self.load(trial.weights, trial.states)

    def load(self, weights: Tensors, states: Tensors) -> None:
        """Give the candidate these weights and states, by the reference's names."""
        with subject_boundary("loading weights into"):
            load(self.model, weights, self.names, states)
        if self.noted:
            self.events.append(Loaded({self.names[name]: value for name, value in weights.items()}, states))

    def call(self, inputs: Sequence[Any], grad: bool | None = None) -> Any:
        """What the candidate returns, as it is."""
        given, again = _copies(inputs), len(self._last) == len(inputs) and all(map(is_, self._last, inputs))
        with self._called(grad, "calling") as (seed, recorded):
            result = self.model(*inputs)
        if self.noted:
            self.events.append(Called(given, seed, recorded, again, numbers(result)))
            self._last = inputs
        return result

    def do(self, deed: Callable[..., Any], *arguments: Any, grad: bool | None = None, doing: str = "calling") -> Any:
        """Return what a deed returns: a function of torch alone, of the model and what it is given, that a script shows."""
        given = _copies(arguments)
        with self._called(grad, doing) as (seed, recorded):
            result = deed(self.model, *arguments)
        if self.noted:
            self.events.append(Did(deed, given, seed, recorded, result))
        return result

    @contextmanager
    def _called(self, grad: bool | None, doing: str) -> Iterator[tuple[int, bool]]:
        """The random state, the dtype and the grad mode of the next call; yields the seed, and whether gradients are recorded."""
        grad, seed = self.case.grad if grad is None else grad, self.case.seed + self.count
        self.count += 1
        with (
            seeded(seed, self.case.device),
            default_dtype(self.trial.dtype),
            torch.set_grad_enabled(grad),
            nan_in_new_memory(COUNTS, self.case.device),
            subject_boundary(doing),
        ):
            yield seed, grad

    def become(self, trial: PairReference) -> None:
        """Take over the weights and states of another case of the same sizes, and its seed."""
        self.trial, self.case, self.count = trial, trial.case, 0
        self.load(trial.weights, trial.states)

    def results(self, key: str) -> dict[str, Tensor]:
        """Copies of what it returns for the inputs of this name."""
        return numbers(self.call(self.trial.inputs(key)))


def _copies(given: Any) -> Any:
    """The same with copies of its tensors."""
    if isinstance(given, list | tuple):
        return [_copies(part) for part in given]
    if isinstance(given, Mapping):
        return {name: _copies(part) for name, part in given.items()}
    return given.detach().clone() if isinstance(given, Tensor) else given
