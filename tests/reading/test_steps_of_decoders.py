"""Decoders of one step a call, with token ids, a state and what an encoder returned."""

import torch
from torch import Tensor, nn

from rnncheck.reading.target import read_target
from tests.strangers.hunted import kill_of, subject_of


class DecoderStep(nn.Module):
    """The steps that an encoder returned, (steps, batch, hidden_size), are weighed by the output of the step."""

    def __init__(self, n_words: int = 20, hidden_size: int = 12) -> None:
        super().__init__()
        self.words, self.gru = nn.Embedding(n_words, hidden_size), nn.GRU(hidden_size, hidden_size)
        self.attention, self.out = nn.Linear(hidden_size, hidden_size, bias=False), nn.Linear(2 * hidden_size, n_words)

    def forward(self, word: Tensor, last_hidden: Tensor, encoder_outputs: Tensor) -> tuple[Tensor, Tensor]:
        y, hidden = self.gru(self.words(word), last_hidden)
        weights = (self.of_query(y) * self.attention(encoder_outputs)).sum(-1).softmax(0).T[:, None]
        seen = weights @ encoder_outputs.transpose(0, 1)
        return self.out(torch.cat([y.squeeze(0), seen.squeeze(1)], 1)), self.carried(last_hidden, hidden)

    def of_query(self, y: Tensor) -> Tensor:
        return y

    def carried(self, old: Tensor, new: Tensor) -> Tensor:
        return new


class DecoderStepDetached(DecoderStep):
    """No gradient goes through the weights into the state."""

    def of_query(self, y: Tensor) -> Tensor:
        return y.detach()


class DecoderStepGoesNowhere(DecoderStep):
    """The old state comes back."""

    def carried(self, old: Tensor, new: Tensor) -> Tensor:
        return old


def test_attention_over_several_steps_is_looked_at():
    words = read_target(DecoderStep).words()
    assert "argument encoder_outputs, the same for each row" in words
    assert "parameter" not in words
    assert kill_of(subject_of(DecoderStepDetached), 4, "gradient.numerical") is not None


def test_an_old_state_that_comes_back_is_red_where_ids_are_given():
    assert kill_of(subject_of(DecoderStepGoesNowhere), 4).prop.id == "state.moves"
