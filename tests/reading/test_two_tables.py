"""Layers with two tables of vectors, of which one is for ids that are no input."""

import torch
from torch import Tensor, nn

from tests.strangers.hunted import kill_of, subject_of


class WordsAndLetters(nn.Module):
    """A word's vector beside that of its letters, which have fewer numbers each."""

    def __init__(self, n_words: int = 30, n_letters: int = 15, word_dim: int = 12, letter_dim: int = 5, hidden: int = 10) -> None:
        super().__init__()
        self.words, self.letters = nn.Embedding(n_words, word_dim), nn.Embedding(n_letters, letter_dim)
        self.lstm, self.out = nn.LSTM(word_dim + letter_dim, hidden, batch_first=True), nn.Linear(hidden, 6)

    def forward(self, words: Tensor, letters: Tensor) -> Tensor:
        """Words (batch, time), and letters (batch, time, letters)."""
        spelled = self.letters(letters).mean(2)
        return self.out(self.lstm(torch.cat([self.words(words), spelled], -1))[0])


def test_ids_of_another_table_are_looked_up_there():
    subject = subject_of(WordsAndLetters)
    assert "token ids, each with a vector of the input, beside it letters" in subject.read_as
    assert kill_of(subject, 3) is None
