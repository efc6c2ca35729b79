"""torch's and Python's settings, which a layer leaves otherwise than it found them."""

import random

import torch

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


@plant("own-precision-lowered-for-all", "mode.settings", "any call")
class PrecisionLoweredForAll(LSTM):
    """Asks for fast float32 products, which torch then uses in the whole process."""

    def run(self, x, state, lengths):
        torch.set_float32_matmul_precision("high")
        return super().run(x, state, lengths)


@plant("own-refusal-leaves-gradients-off", "mode.settings", "a state of another size, then anything")
class RefusalLeavesGradientsOff(GRU):
    """Gradients are switched off while the state is checked, and stay off where it is refused."""

    def check_state(self, x, state):
        enabled = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        super().check_state(x, state)
        torch.set_grad_enabled(enabled)


@plant("own-python-reseeded", "mode.settings", "num_layers >= 2, dropout, train")
class PythonReseeded(RNN):
    """Where dropout acts Python's random numbers begin anew, for the whole process."""

    def between(self, x):
        if self.training and self.dropout:
            random.seed(0)
        return super().between(x)
