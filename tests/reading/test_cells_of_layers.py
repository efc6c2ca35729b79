"""A cell of several layers whose output is none of its states: the output is not taken for a part of the state."""

from itertools import pairwise

import torch
from torch import nn

from rnncheck.reading.target import read_target
from tests.strangers.hunted import kill_of, subject_of


class Policy(nn.Module):
    """One step of a policy, (rows, features), with a state (layers, rows, units) that must be given."""

    def __init__(self, obs_dim, action_dim, rnn_size, num_layer):
        super().__init__()
        sizes = [obs_dim] + [rnn_size] * num_layer
        self.cells = nn.ModuleList(nn.GRUCell(*pair) for pair in pairwise(sizes))
        self.tail = nn.Linear(rnn_size, action_dim)

    def forward(self, obs, prev_hidden_state):
        states = []
        for number, cell in enumerate(self.cells):
            obs = cell(obs, self.before(prev_hidden_state, number))
            states.append(obs)
        return self.tail(obs), torch.stack(states)

    def before(self, state, number):
        return state[number]


class OfTheFirstLayer(Policy):
    """Every layer goes on from the state of the first one."""

    def before(self, state, number):
        return state[0]


def test_its_state_is_what_moves_it():
    reading = read_target(Policy)
    assert reading.called["states"] == [[1]] and not reading.pair
    assert kill_of(subject_of(Policy), cases=6) is None


def test_a_layer_with_the_state_of_another_is_red():
    killed = kill_of(subject_of(OfTheFirstLayer), cases=6)
    assert killed is not None and killed.case.config.num_layers > 1
