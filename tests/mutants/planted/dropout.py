"""Dropout between the layers: where, when and how much."""

import torch
import torch.nn.functional as F

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant

IN_TRAINING = "num_layers >= 2, dropout, train"


@plant("dropout-dead-assignment", "mode.dropout_between_layers weights.flags", IN_TRAINING)
class DroppedOutputNeverRead(LSTM):
    """The result of dropout goes to a name that is not read (jihunchoi/recurrent-batch-normalization-pytorch#13)."""

    def between(self, x):
        dropped = super().between(x)  # noqa: F841
        return x


@plant("dropout-arg-on-1-layer-rnns", "mode.dropout_between_layers weights.flags", IN_TRAINING)
class StackOfOneLayerNets(GRU):
    """A stack of one-layer nets gets the dropout argument, which acts between layers only (espnet/espnet#1784)."""

    def one_direction(self, x, state, layer, direction, lengths):
        if direction == 1 or lengths is not None:
            return super().one_direction(x, state, layer, direction, lengths)
        w = [p for p in self.weights(layer, direction) if p is not None]
        y, h = torch.gru(x, state[0][None], w, self.bias, 1, self.dropout, self.training, False, False)
        return y, (h[0],)

    def between(self, x):
        return x


@plant("dropout-in-eval", "mode.eval_ignores_dropout mode.repeatable mode.rng agree.*", "layers, dropout, eval")
class DropoutInEval(LSTM):
    """training=True is written into the call: dropout acts in eval as well (salesforce/awd-lstm-lm#72)."""

    def between(self, x):
        return F.dropout(x, self.dropout, True)


@plant("option-read-from-kwargs", "mode.dropout_between_layers weights.flags", IN_TRAINING)
class DropoutLookedUpInKwargs(GRU):
    """A named argument is looked up in **kwargs, where it never is (keras-team/keras#8484)."""

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        **kwargs,
    ):
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, kwargs.pop("dropout", 0.0), bidirectional, **kwargs
        )


@plant("eval-sticks", "life.machine mode.dropout_between_layers", "num_layers >= 2, dropout, train after eval")
class EvalSticks(LSTM):
    """The first call in eval sets the dropout to 0 for ever (NVIDIA/Megatron-LM#411)."""

    def between(self, x):
        if not self.training:
            self.dropout = 0.0
        return super().between(x)


@plant("weights-destroyed", "layout.no_mutation life.machine mode.repeatable", IN_TRAINING)
class DroppedWeightsStayZero(LSTM):
    """A mask on the recurrent weights is multiplied into the parameter itself (keitakurita/Better_LSTM_PyTorch#7)."""

    def run(self, x, state, lengths):
        if self.training and self.dropout:
            self.weight_hh_l0.data.mul_(F.dropout(torch.ones_like(self.weight_hh_l0), self.dropout) > 0)
        return super().run(x, state, lengths)


@plant("own-dropout-after-last", "mode.dropout_between_layers mode.eval_ignores_dropout", IN_TRAINING)
class DropoutAfterLastLayer(LSTM):
    """Dropout acts on the output of the last layer, too."""

    def run(self, x, state, lengths):
        y, state = super().run(x, state, lengths)
        return (self.between(y) if self.num_layers > 1 else y), state


@plant("own-dropout-not-rescaled", "mode.dropout_between_layers", IN_TRAINING)
class DropoutNotRescaled(RNN):
    """What is kept is not divided by 1 - p."""

    def between(self, x):
        return super().between(x) * (1 - self.dropout) if self.training else x


@plant("own-dropout-keep-probability", "mode.dropout_between_layers", IN_TRAINING + " (0.5 hides it)")
class DropoutIsTheKeepProbability(GRU):
    """dropout is taken for the probability to keep, as in TensorFlow 1; 0.5 hides it."""

    def between(self, x):
        return F.dropout(x, 1 - self.dropout) if self.training and self.dropout else x


@plant("own-eval-scales", "mode.eval_ignores_dropout agree.*", "num_layers >= 2, dropout, eval")
class EvalScales(LSTM):
    """Eval multiplies by 1 - p, as if the training had not divided by it."""

    def between(self, x):
        return super().between(x) if self.training else x * (1 - self.dropout)


@plant("own-dropout-on-recurrence", "mode.dropout_between_layers", "dropout, train")
class DropoutOnTheRecurrence(LSTM):
    """With dropout, the hidden state is dropped from step to step as well, even in a single layer."""

    def from_hidden(self, h, w):
        return super().from_hidden(F.dropout(h, self.dropout) if self.training and self.dropout else h, w)


@plant("own-eval-for-good", "mode.dropout_between_layers life.machine", "eval(), then train()")
class EvalForGood(LSTM):
    """eval() is overridden and remembered, and train() does not know of it: no dropout from then on."""

    left_training = False

    def eval(self):
        self.left_training = True
        return super().eval()

    def between(self, x):
        return x if self.left_training else super().between(x)


@plant("own-dropout-of-one-divides-by-zero", "mode.all_dropped", IN_TRAINING + " = 1")
class DropoutOfOneDividesByZero(LSTM):
    """What is kept is divided by 1 - p, also where p is 1 and nothing is: 0 / 0."""

    def between(self, x):
        if not self.training or not self.dropout:
            return x
        return x * F.dropout(torch.ones_like(x), self.dropout).sign() / (1 - self.dropout)


@plant("own-dropout-of-one-has-no-gradient", "mode.all_dropped", IN_TRAINING + " = 1")
class DropoutOfOneHasNoGradient(GRU):
    """torch.where hides the infinity from the results, and not from the gradients."""

    def between(self, x):
        if not self.training or not self.dropout:
            return x
        return torch.where(F.dropout(torch.ones_like(x), self.dropout) > 0, x / (1 - self.dropout), 0.0)


@plant("own-dropout-of-one-is-none", "mode.all_dropped", IN_TRAINING + " = 1")
class DropoutOfOneIsNone(RNN):
    """A dropout of 1 is taken for a mistake, and as none."""

    def between(self, x):
        return x if self.dropout == 1 else super().between(x)


@plant("own-dropout-in-place-without-gradients", "mode.dropout_between_layers", "dropout, train, no_grad")
class DropoutInPlaceWithoutGradients(LSTM):
    """Without gradients dropout writes into the outputs, of which the final states are views."""

    def one_direction(self, x, state, layer, direction, lengths):
        y, final = super().one_direction(x, state, layer, direction, lengths)
        shared = not torch.is_grad_enabled() and direction == 0 and lengths is None and len(y) > 0
        return y, (y[-1], *final[1:]) if shared else final

    def join(self, outputs):
        return outputs[0] if len(outputs) == 1 else super().join(outputs)

    def between(self, x):
        if torch.is_grad_enabled() or not self.training or self.dropout == 0:
            return super().between(x)
        return F.dropout(x, self.dropout, inplace=True)


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
