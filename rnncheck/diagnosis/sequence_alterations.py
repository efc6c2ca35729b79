"""What is done to batches and sequences under a hypothesis: lengths, the order of rows, the axes."""

import torch
from torch import Tensor

from rnncheck.core.run import Run
from rnncheck.diagnosis.alterations import ends, on_states
from rnncheck.diagnosis.altered_case import Asked


def _sorted(asked: Asked) -> Tensor:
    return torch.argsort(ends(asked), descending=True, stable=True)


def states_not_sorted(asked: Asked) -> Asked:
    """The initial states stay in the caller's order while the sequences are sorted by length."""
    order = torch.argsort(_sorted(asked))
    return asked.states(lambda state: state[:, order])


def cells_not_sorted(asked: Asked) -> Asked:
    """The initial c alone stays in that order."""
    assert asked.c_0 is not None
    return asked.but(c_0=asked.c_0[:, torch.argsort(_sorted(asked))])


def finals_not_restored(asked: Asked) -> Asked:
    """The final states are returned in the order of the sorted sequences."""
    return asked.reading(lambda run: on_states(run, lambda state: state[:, _sorted(asked)]))


def outputs_not_restored(asked: Asked) -> Asked:
    """Outputs and final states are returned in that order."""
    return finals_not_restored(asked.reading(lambda run: Run(run.output[:, _sorted(asked)], *run.state)))


def outputs_alone_not_restored(asked: Asked) -> Asked:
    """Outputs are returned in that order, cut off at the end of the sequence that should stand there."""
    return cut_off(asked.reading(lambda run: Run(run.output[:, _sorted(asked)], *run.state)))


def _valid(asked: Asked) -> Tensor:
    """(time, batch, 1): whether a step belongs to its row's sequence."""
    return torch.arange(len(asked.x), device="cpu")[:, None, None] < ends(asked)[None, :, None]


def cut_off(asked: Asked) -> Asked:
    """Outputs beyond the end are set to zero."""
    valid = _valid(asked)
    return asked.reading(lambda run: Run(torch.where(valid, run.output, 0.0), *run.state))


def unpacked(asked: Asked) -> Asked:
    """The padding holds zeros, as it does where a packed sequence is padded again."""
    return asked.but(x=torch.where(_valid(asked), asked.x, 0.0))


def lengths_ignored(asked: Asked) -> Asked:
    """Padding is treated as data; the output beyond the end is cut off afterwards."""
    return cut_off(asked).but(lengths=None)


def end_with_the_first(asked: Asked) -> Asked:
    """Each sequence ends where the first one does; the output beyond its own end is cut off afterwards."""
    return cut_off(asked).but(lengths=ends(asked)[:1].expand(len(ends(asked))))


def end_a_step_late(asked: Asked) -> Asked:
    """Each sequence but the longest reads one step of its padding, whose output is cut off afterwards."""
    return cut_off(asked).but(lengths=(ends(asked) + 1).clamp(max=len(asked.x)))


def reverse_starts_in_padding(asked: Asked) -> Asked:
    """The reverse direction treats padding as data; the output beyond the end is cut off afterwards."""
    return cut_off(asked).but(reverse_ignores_lengths=True)


def rows_reversed_in_time(asked: Asked) -> Asked:
    """Sequences are read from the end to the beginning, and outputs put back."""
    flipped = asked.but(x=asked.x.flip(0))
    return flipped.reading(lambda run: Run(run.output.flip(0), *run.state))


def time_and_batch_exchanged(asked: Asked) -> Asked:
    """The input's first two axes are taken for each other, by a reshape instead of a transposition."""
    time, batch = asked.x.shape[:2]
    mixed = asked.but(x=asked.x.transpose(0, 1).reshape(time, batch, -1))
    return mixed.reading(lambda run: Run(run.output.reshape(batch, time, -1).transpose(0, 1), *run.state))


def batch_runs_as_time(asked: Asked) -> Asked:
    """The batch axis is run over as time."""
    turned = asked.but(x=asked.x.transpose(0, 1), lengths=None)
    return turned.reading(lambda run: Run(run.output.transpose(0, 1), *run.state))


def states_batch_first(asked: Asked) -> Asked:
    """The initial states are read as (batch, layers * directions, size)."""

    def read(state: Tensor) -> Tensor:
        return state.reshape(state.shape[1], state.shape[0], -1).transpose(0, 1)

    return asked.states(read)


def finals_batch_first(asked: Asked) -> Asked:
    """The final states are laid out as (batch, layers * directions, size), under the documented shape."""
    return asked.reading(lambda run: on_states(run, lambda state: state.transpose(0, 1).reshape(state.shape)))


def first_row_for_all(asked: Asked) -> Asked:
    """Every row starts from the first row's initial state."""
    return asked.states(lambda state: state[:, :1].expand_as(state))
