"""Where an option is not checked, the verdict says so."""

import torch
from torch import nn

from tests.strangers.hunted import subject_of


class Classifier(nn.Module):
    """Scores of classes at each step: their number stays the same with two directions, and its output tells nothing of them."""

    def __init__(self, input_size, hidden_size, num_classes, bidirectional=False):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(hidden_size * (2 if bidirectional else 1), num_classes)

    def forward(self, x):
        return torch.log_softmax(self.head(self.rnn(x)[0]), -1)


def test_directions_behind_a_head_are_not_offered_and_told():
    subject = subject_of(Classifier)
    assert not subject.offers("bidirectional") and "bidirectional other than False" in subject.not_looked_at
