"""Bugs that nobody reported, written to judge the catalog: each wrong in one corner only."""

import torch
import torch.nn.functional as F

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.clean.by_hand import HandLSTM, LSTMScan
from tests.mutants.registry import plant


@plant("own-square-final-state", "state.is_last_output agree.*", "padded, time = batch >= 2")
class FinalStateOfSquare(LSTM):
    """Where time = batch, the forward h_n is read along the wrong axis."""

    def one_direction(self, x, state, layer, direction, lengths):
        y, final = super().one_direction(x, state, layer, direction, lengths)
        square = y.shape[0] == y.shape[1] and direction == 0 and lengths is None
        return y, ((y[:, -1], *final[1:]) if square else final)


@plant("own-finished-cell-runs-on", "lengths.each_alone agree.*", "LSTM, packed unequal, c_n")
class FinishedCellRunsOn(LSTM):
    """A sequence that is over keeps h, but its c takes one more step."""

    def hold(self, new, old, t, lengths):
        h, c = super().hold(new, old, t, lengths)
        return (h, c) if lengths is None else (h, torch.where((t == lengths).unsqueeze(1), new[1], c))


@plant("own-dropout-off-after-eval", "mode.dropout_between_layers life.machine", "dropout, eval(), then train()")
class DropoutOffAfterEval(GRU):
    """After eval() dropout never comes back."""

    evaluated = False

    def train(self, mode=True):
        self.evaluated = self.evaluated or not mode
        return super().train(mode)

    def between(self, x):
        return x if self.evaluated else super().between(x)


@plant("own-dropout-forward-half", "mode.dropout_between_layers", "bidirectional, layers, dropout, train")
class DropoutOnForwardHalf(LSTM):
    """Only the forward half of a layer's output is dropped."""

    def between(self, x):
        if not self.training or self.dropout == 0 or self.directions == 1:
            return super().between(x)
        forward, reverse = x.chunk(2, -1)
        return torch.cat([F.dropout(forward, self.dropout), reverse], -1)


@plant("own-projection-skips-tanh-gradient", "gradient.reference gradient.numerical", "LSTM, proj_size, backward")
class ProjectionSkipsTanhGradient(HandLSTM):
    """Where there is a projection, the backward forgets the slope of tanh(c)."""

    class WithoutSlope(LSTMScan):
        def step_backward(self, d_new, before, after, gates, w):
            if w.hr is None:
                return super().step_backward(d_new, before, after, gates, w)
            o, through = gates.chunk(4, -1)[3], d_new[0] @ w.hr
            extra = through * o * torch.tanh(after[1]).square()
            return super().step_backward((d_new[0], d_new[1] + extra), before, after, gates, w)

    scan = WithoutSlope()


@plant("own-copy-loses-dropout", "life.copied", "dropout, deepcopy")
class CopyLosesDropout(GRU):
    """A deep copy is made through the constructor, which is not told of dropout."""

    def __deepcopy__(self, memo):
        sizes = self.input_size, self.hidden_size, self.num_layers, self.bias, self.batch_first, 0.0, self.bidirectional
        first = next(self.parameters())
        copied = type(self)(*sizes, device=first.device, dtype=first.dtype)
        copied.load_state_dict(self.state_dict())
        for name, p in copied.named_parameters():
            p.requires_grad_(self.get_parameter(name).requires_grad)
        return copied.train(self.training)


@plant("own-frozen-parameter-thaws", "life.machine", "a frozen parameter, to(dtype)")
class FrozenParameterThaws(LSTM):
    """Moved to another dtype, the layer makes new parameters, which all require gradients."""

    def _apply(self, fn, recurse=True):
        for name, p in list(self._parameters.items()):
            if p is not None:
                self._parameters[name] = torch.nn.Parameter(fn(p.data))
        return self


@plant("own-relu-cut-at-100", "numeric.extreme agree.forward", "relu, values above 100")
class ReluCutAt100(RNN):
    """relu is cut off at 100."""

    def activation(self, a):
        return super().activation(a).clamp(max=100)
