"""Bugs that only some way of calling shows: lower precision, a compiler, one tensor for two things, another checkpoint."""

import torch
import torch.nn.functional as F

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


@plant("own-autocast-to-half-unscaled", "agree.autocast", "autocast to float16")
class AutocastToHalfUnscaled(LSTM):
    """Under autocast to float16 the gates are clamped, so that nothing overflows: at 1, which was meant to be 1e4."""

    def from_input(self, x, w):
        a = super().from_input(x, w)
        return a.clamp(-1, 1) if a.dtype == torch.float16 and x.dtype != a.dtype else a


@plant("own-low-input-under-autocast", "agree.autocast", "autocast, input in its dtype already")
class LowInputUnderAutocast(GRU):
    """Input that autocast need not cast is taken to be prepared already, its bias added."""

    def from_input(self, x, w):
        low = torch.is_autocast_enabled("cpu") and x.dtype == torch.get_autocast_dtype("cpu")
        return F.linear(x, w.ih) if low else super().from_input(x, w)


@plant("own-compiled-third-step", "agree.compiled", "torch.compile, time >= 3")
class CompiledThirdStep(RNN):
    """Under torch.compile the loop is unrolled twice, and the rest begins with the state before."""

    def loop(self, x, state, w, lengths):
        if not torch.compiler.is_dynamo_compiling() or len(x) < 3:
            return super().loop(x, state, w, lengths)
        first, _ = super().loop(x[:2], state, w, None if lengths is None else lengths.clamp(max=2))
        rest, final = super().loop(x[2:], state, w, None if lengths is None else (lengths - 2).clamp(min=0))
        return torch.cat([first, rest]), final


@plant("own-one-tensor-for-both-states", "state.one_tensor", "LSTM, h_0 and c_0 are one tensor")
class OneTensorForBothStates(LSTM):
    """One tensor given for both is taken for the mark that means no state at all."""

    def batched_state(self, hx, input):
        one = hx is not None and len(hx) == 2 and hx[0] is hx[1]
        return super().batched_state(None if one else hx, input)


@plant("own-checkpoint-decides-dtype", "life.machine weights.write_through", "a checkpoint of another dtype")
class CheckpointDecidesDtype(GRU):
    """Parameters are made anew from a checkpoint, in its dtype, instead of being copied into."""

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        for name, parameter in self._parameters.items():
            if prefix + name in state_dict:
                parameter.data = parameter.data.to(state_dict[prefix + name].dtype)
        super()._load_from_state_dict(state_dict, prefix, *rest)


@plant("own-masks-of-four-words", "mode.dropout_between_layers", "num_layers >= 2, dropout, train, more than 4 values")
class MasksOfFourWords(GRU):
    """The generator makes four numbers at a time, and these four serve the whole tensor."""

    def between(self, x):
        if not self.training or not self.dropout:
            return x
        words = F.dropout(x.new_ones(4), self.dropout)
        return x * words.repeat(-(-x.numel() // 4))[: x.numel()].view_as(x)


@plant("own-masks-of-rows-in-turn", "mode.dropout_between_layers", "num_layers >= 2, dropout, train, batch > 32")
class MasksOfRowsInTurn(LSTM):
    """A mask is drawn for 32 sequences, and those after them get it again."""

    def between(self, x):
        if not self.training or not self.dropout:
            return x
        mask = F.dropout(torch.ones_like(x[:, :32]), self.dropout)
        return x * mask.repeat(1, -(-x.shape[1] // 32), 1)[:, : x.shape[1]]
