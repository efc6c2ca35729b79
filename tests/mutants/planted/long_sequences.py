"""More bugs of the doors of a layer (what it takes in and gives back), and of long sequences."""

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from tests.mutants.clean.base import GRU, LSTM
from tests.mutants.registry import Mutant

EXTRA: dict[str, Mutant] = {}


def extra(bug, kills, needs):
    """Declare the decorated class as a layer with this bug."""

    def declare(target):
        clean = next(base for base in target.__mro__ if base in (GRU, LSTM))
        like = {GRU: nn.GRU, LSTM: nn.LSTM}[clean]
        EXTRA[bug] = Mutant(bug, target, "layer", like, clean, tuple(kills.split()), needs, ("script",))
        return target

    return declare


@extra("own-autocast-states-float32", "shape.autocast", "autocast")
class AutocastStatesInFloat32(GRU):
    """Under autocast the output is bfloat16, the final state that was made of it float32."""

    def final_state(self, finals):
        states = super().final_state(finals)
        return tuple(s.float() for s in states) if torch.is_autocast_enabled("cpu") else states

    def collect(self, outputs):
        y = super().collect(outputs)
        return y.bfloat16() if torch.is_autocast_enabled("cpu") else y


@extra("own-batch-sizes-repaired", "reject.lengths", "packed, batch sizes that do not fit")
class BatchSizesRepaired(GRU):
    """Batch sizes that grow are taken for shrinking ones, and data that is missing for zeros."""

    def forward_packed(self, packed, hx):
        sizes = packed.batch_sizes.sort(descending=True).values
        missing = int(sizes.sum()) - len(packed.data)
        data = torch.cat([packed.data, packed.data.new_zeros(max(missing, 0), packed.data.shape[1])])
        hx = None if hx is None else hx[:, : int(sizes[0])]
        return super().forward_packed(PackedSequence(data, sizes, *packed[2:]), hx)


@extra("own-scale-grows-with-time", "numeric.finite numeric.finite_gradient", "LSTM, some hundred steps")
class ScaleGrowsWithTime(LSTM):
    """The cell state is kept times 2^t, for a numerator, and divided at each step: after some hundred steps inf / inf.

    The normaliser of exponential gates without its running maximum does the same (muditbhargava66/PyxLSTM#15).
    """

    def loop(self, x, state, w, lengths):
        h, c = state
        outputs, scale = [], torch.ones((), dtype=x.dtype, device=x.device)
        for t, x_t in enumerate(x.unbind(0)):
            scale = scale * 2
            (new_h, new_c) = self.cell(x_t, (h, c), w)
            h, c = self.hold((new_h, new_c * scale / scale), (h, c), t, lengths)
            outputs.append(h)
        return self.collect(outputs), (h, c)
