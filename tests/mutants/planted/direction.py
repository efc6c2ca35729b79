"""Bidirectional layers: which weights, which input, which order."""

import torch

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


@plant("bwd-uses-fwd-cell", "direction.two_nets direction.reversal weights.alive agree.*", "bidirectional")
class ReverseUsesForwardWeights(LSTM):
    """Both directions use one set of weights (HKUST-KnowComp/R-Net#13)."""

    def weights(self, layer, direction):
        return super().weights(layer, 0)


@plant("bwd-input-not-reversed", "direction.* time.reach agree.*", "bidirectional, time >= 2")
class ReverseReadsForwards(GRU):
    """The backward net reads the sequence forwards (stanfordmlgroup/nlc#8)."""

    def reverse(self, x, lengths):
        return x


@plant("rev-output-not-flipped-back", "direction.* time.reach state.is_last_output agree.*", "bidirectional, time >= 2")
class ReverseOutputInProcessingOrder(RNN):
    """The reverse outputs come in the order of processing (keras-team/keras#1001)."""

    def one_direction(self, x, state, layer, direction, lengths):
        y, final = super().one_direction(x, state, layer, direction, lengths)
        return (self.reverse(y, lengths) if direction == 1 else y), final


@plant("bidir-unsupported-but-run", "direction.* time.reach time.memory agree.*", "bidirectional, time >= 2")
class ReverseWithoutRecurrence(LSTM):
    """Bidirectional nets run on a path that was not made for them, with wrong numbers (pytorch/pytorch#94754).

    Here the recurrent weights of the second direction are not used.
    """

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        return w._replace(hh=w.hh * 0) if direction == 1 else w


@plant("hn-direction-major", "direction.* layer.stack state.is_last_output agree.*", "bidirectional, num_layers >= 2")
class FinalStatesDirectionMajor(GRU):
    """The states come as all forward layers, then all backward layers; the output is right (OpenNMT/OpenNMT-py#61)."""

    def final_state(self, finals):
        return super().final_state([f for d in range(self.directions) for f in finals[d :: self.directions]])


@plant("dirs-reshape-order", "direction.* time.reach state.is_last_output agree.*", "bidirectional, hidden_size >= 2")
class DirectionsInterleaved(RNN):
    """The features are interleaved, hidden * directions instead of directions * hidden (pytorch/pytorch#11368)."""

    def join(self, outputs):
        return torch.stack(outputs, dim=-1).flatten(-2)


@plant("bilstm-rewriter", "direction.* layer.stack weights.alive agree.*", "bidirectional, num_layers >= 2")
class RewriterTookTheWrongNode(LSTM):
    """A graph rewriter swallows the wrong reverse node: L = 1 is right, L = 2 is not (onnx/onnx-tensorflow#878).

    Here the reverse direction of an upper layer gets the recurrent weights of the layer below.
    """

    def weight(self, name, layer, direction):
        below = name == "hh" and direction == 1 and layer > 0
        return super().weight(name, layer - 1 if below else layer, direction)


@plant("own-reverse-takes-forward-state", "state.used direction.* agree.*", "bidirectional, hx random")
class ReverseStartsFromForwardState(LSTM):
    """Both directions start from the forward direction's initial state."""

    def initial_state(self, x, state):
        state = super().initial_state(x, state)
        return tuple(s[:: self.directions].repeat_interleave(self.directions, 0) for s in state)


@plant("own-reverse-continues-forward-cell", "direction.two_nets time.reach agree.*", "LSTM, bidirectional")
class ReverseContinuesForwardCell(LSTM):
    """The reverse net of the top layer starts from the c in which the forward net ended."""

    def one_direction(self, x, state, layer, direction, lengths):
        if direction == 1 and layer == self.num_layers - 1:
            state = (state[0], self.forward_c)
        y, final = super().one_direction(x, state, layer, direction, lengths)
        self.forward_c = final[1]
        return y, final


@plant("own-upper-layer-reads-forward-half", "layer.stack direction.* agree.*", "bidirectional, num_layers >= 2")
class UpperLayersReadForwardHalf(GRU):
    """Layers above the first get the forward half twice, instead of both halves."""

    def between(self, x):
        x = super().between(x)
        return torch.cat([x[..., : self.state_size]] * self.directions, dim=-1)


@plant("own-directions-summed", "direction.* agree.* weights.relabel", "bidirectional, batch_first")
class DirectionsSummedUnderBatchFirst(RNN):
    """Under batch_first the reverse half is the sum of both directions: one merge mode of Keras, taken by mistake."""

    def join(self, outputs):
        if len(outputs) == 1 or not self.batch_first:
            return super().join(outputs)
        return super().join([outputs[0], outputs[0] + outputs[1]])
