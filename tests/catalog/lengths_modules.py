"""Recurrent layers that take padded input with its lengths beside it: right ones, and mutants of them."""

import torch

from rnncheck.adapters.lengths import taking_lengths
from rnncheck.adapters.torch_layers import torch_like
from rnncheck.subject import Subject
from tests.mutants.base import GRU, LSTM, RNN


class WithLengths:
    """Adds ``lengths`` to the call of a layer; zero is a length."""

    def forward(self, input, hx=None, lengths=None):
        if lengths is None:
            return super().forward(input, hx)
        x = self.time_major(input)
        lengths = self.checked(lengths)
        y, state = self.run(x, self.initial_state(x, self.batched_state(hx, input)), lengths)
        return self.user_layout(self.cut(y, lengths)), self.result_state(state)

    def checked(self, lengths):
        return lengths

    def cut(self, y, lengths):
        """Zeros after each sequence's end."""
        inside = torch.arange(len(y)).unsqueeze(1) < lengths
        return torch.where(inside.unsqueeze(2), y, 0)


class RNNWithLengths(WithLengths, RNN):
    pass


class GRUWithLengths(WithLengths, GRU):
    pass


class LSTMWithLengths(WithLengths, LSTM):
    pass


class ZeroRefused(GRUWithLengths):
    """No length of zero, and says so."""

    def checked(self, lengths):
        if int(lengths.min()) < 1:
            raise ValueError(f"lengths should be positive, got {lengths.tolist()}")
        return lengths


class MaskedByMultiplication(GRUWithLengths):
    """0 * NaN is NaN: what the padding contains reaches the state."""

    def hold(self, new, old, t, lengths):
        running = (t < lengths).unsqueeze(1).to(new[0]) if lengths is not None else 1
        return tuple(running * n + (1 - running) * o for n, o in zip(new, old, strict=True))


class StaleAfterTheEnd(LSTMWithLengths):
    """The last output is repeated after the end."""

    def cut(self, y, lengths):
        return y


class PaddedToTheLongest(RNNWithLengths):
    """The output is cut to the longest sequence, and filled up with ones."""

    def cut(self, y, lengths):
        y = super().cut(y, lengths)
        return torch.cat([y[: int(lengths.max())], torch.ones_like(y[int(lengths.max()) :])])


class ZeroTakenForOne(LSTMWithLengths):
    """A length of zero is clamped to one."""

    def checked(self, lengths):
        return lengths.clamp(min=1)


class ZeroFailsSomewhere(RNNWithLengths):
    """A length of zero fails, in words that do not help."""

    def checked(self, lengths):
        if int(lengths.min()) < 1:
            raise RuntimeError("index out of bounds")
        return lengths


MODES_OF = {RNN: ("RNN_TANH", "RNN_RELU"), GRU: ("GRU",), LSTM: ("LSTM",)}


def lengths_subject(module: type) -> Subject:
    """Such a class as a subject that claims packed input and lengths."""
    modes = next(modes for base, modes in MODES_OF.items() if issubclass(module, base))
    return taking_lengths(torch_like(module, modes, module.__name__, without=("script",)))
