"""Layers that are wrong where they are exported, compiled, scripted, captured, transformed or converted."""

from typing import Optional

import torch
from torch import Tensor, nn

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import extra, plant


@plant("cudnn-weight-order", "gate.one_step gate.closed_form agree.*", "GRU, non-zero bias")
class BiasRowsNotConverted(GRU):
    """r, z, n against z, r, n: the weights are converted and the biases are not (keras-team/keras#8720)."""

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        if w.b_ih is None:
            return w
        return w._replace(b_ih=self.as_zrn(w.b_ih), b_hh=self.as_zrn(w.b_hh))

    def as_zrn(self, rows):
        r, z, n = rows.chunk(3)
        return torch.cat([z, r, n])


@plant("onnx-next-state-axis", "agree.* state.default_is_zero layer.stack", "bidirectional, num_layers >= 2, hx none")
class UpperDefaultStateFromWrongAxis(LSTM):
    """The zero state above the first layer is sized by the axis of the directions (onnx/onnx#921)."""

    def default_state(self, x):
        self.sized_by_directions = self.directions == 2
        return super().default_state(x)

    def initial_state(self, x, state):
        self.sized_by_directions = False
        return super().initial_state(x, state)

    def one_direction(self, x, state, layer, direction, lengths):
        if layer > 0 and self.sized_by_directions:
            state = tuple(s.new_zeros(self.directions, s.shape[1]) for s in state)
        return super().one_direction(x, state, layer, direction, lengths)


@plant("export-bias-false", "shape.output weights.flags agree.*", "bias=False")
class WeightsInGroupsOfFour(GRU):
    """The weights are unpacked in groups of four, also where there are no biases (pytorch/pytorch#34800)."""

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        ih, hh, b_ih, b_hh = (p for p in w if p is not None)
        return w._replace(ih=ih, hh=hh, b_ih=b_ih, b_hh=b_hh)


@plant("vmap-missing", "agree.vmap shape.meta agree.exported", "vmap (or meta, or export) with hx given")
class StateReadAsPythonNumber(RNN):
    """There is no rule for vmap (pytorch/pytorch#134606).

    Here a given state is looked at with .item(), to skip the product if it is zero.
    """

    def initial_state(self, x, state):
        if state is not None and state[0].numel() and state[0].abs().max().item() == 0:
            state = None
        return super().initial_state(x, state)


class _WithoutForwardDerivative(torch.autograd.Function):
    """tanh without a jvp."""

    @staticmethod
    def forward(ctx, a):
        y = torch.tanh(a)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, d):
        (y,) = ctx.saved_tensors
        return d * (1 - y * y)


@plant("forward-ad-one-path", "gradient.forward_mode", "forward-mode derivatives, float32")
class NoForwardDerivativeInFloat32(LSTM):
    """Forward-mode derivatives depend on dtype and backend (torch 2.13: float32 LSTM, mkldnn_rnn_layer)."""

    def new_h(self, o, c):
        return o * _WithoutForwardDerivative.apply(c) if c.dtype == torch.float32 else super().new_h(o, c)


class _WrongForwardDerivative(torch.autograd.Function):
    """tanh whose jvp forgets a square."""

    @staticmethod
    def forward(a):
        return torch.tanh(a)

    @staticmethod
    def setup_context(ctx, inputs, y):
        ctx.save_for_backward(y)
        ctx.save_for_forward(y)

    @staticmethod
    def backward(ctx, d):
        (y,) = ctx.saved_tensors
        return d * (1 - y * y)

    @staticmethod
    def jvp(ctx, tangent):
        (y,) = ctx.saved_tensors
        return tangent * (1 - y)

    @staticmethod
    def vmap(info, in_dims, a):
        return _WrongForwardDerivative.apply(a), in_dims[0]


@plant("own-wrong-jvp", "gradient.forward_mode", "forward-mode derivatives")
class ForwardDerivativeWrong(GRU):
    """The candidate's forward-mode derivative lacks a square; its backward is right."""

    def candidate(self, n_x, r, n_h):
        return _WrongForwardDerivative.apply(n_x + r * n_h)


@plant("compiled-backward", "agree.compiled", "torch.compile, gradients of a recurrence")
class CompiledRecurrenceDetached(GRU):
    """The compiled layer has another backward (pytorch/pytorch#185163); here its recurrence is cut off."""

    def from_hidden(self, h, w):
        return super().from_hidden(h.detach() if torch.compiler.is_compiling() else h, w)


@plant("own-compiled-without-hidden-bias", "agree.exported agree.compiled agree.onnx", "torch.export, bias")
class CompiledWithoutHiddenBias(LSTM):
    """The path that is taken under compilation and export leaves b_hh out."""

    def from_hidden(self, h, w):
        return torch.nn.functional.linear(h, w.hh) if torch.compiler.is_compiling() else super().from_hidden(h, w)


@plant("own-no-grad-path", "agree.no_grad agree.* gradient.eval_is_train", "no_grad, bias, layers above the first")
class FastPathWithoutGrad(LSTM):
    """Without gradients a fused path runs, and above the first layer it leaves b_hh out."""

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        return w if torch.is_grad_enabled() or layer == 0 else w._replace(b_hh=None)


@plant("own-onednn-off-path", "agree.no_grad agree.*", "torch.backends.mkldnn.flags(enabled=False)")
class OtherGateOrderWithoutOneDnn(GRU):
    """With oneDNN off, another path runs, in which r and z change places."""

    def split(self, rows):
        r, z, n = super().split(rows)
        return (r, z, n) if torch._C._get_mkldnn_enabled() else (z, r, n)


@plant("own-functional-call-bias", "agree.functional weights.write_through", "functional_call, bias")
class BiasReadFromTheRegister(LSTM):
    """Biases are read from a list of parameters made once, weights from the module."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.__dict__["biases"] = {name: p for name, p in self.named_parameters() if name.startswith("bias")}

    def weight(self, name, layer, direction):
        return self.biases.get(self.key(name, layer, direction), super().weight(name, layer, direction))


@plant("own-compiled-upper-layers-forget", "agree.compiled", "torch.compile, num_layers >= 2, hx given")
class CompiledUpperLayersForget(GRU):
    """The path that is taken under torch.compile starts every layer but the first at 0."""

    def one_direction(self, x, state, layer, direction, lengths):
        if layer and torch.compiler.is_dynamo_compiling():
            state = tuple(torch.zeros_like(s) for s in state)
        return super().one_direction(x, state, layer, direction, lengths)


@plant("own-compiled-third-step", "agree.compiled", "torch.compile, time >= 3")
class CompiledThirdStep(RNN):
    """Under torch.compile the loop is unrolled twice, and the rest begins with the state before."""

    def loop(self, x, state, w, lengths):
        if not torch.compiler.is_dynamo_compiling() or len(x) < 3:
            return super().loop(x, state, w, lengths)
        first, _ = super().loop(x[:2], state, w, None if lengths is None else lengths.clamp(max=2))
        rest, final = super().loop(x[2:], state, w, None if lengths is None else (lengths - 2).clamp(min=0))
        return torch.cat([first, rest]), final


@extra("own-projection-kept-for-the-same-tensor", "agree.captured", "captured, then other numbers in the same tensor")
class ProjectionKeptForTheSameTensor(GRU):
    """What the input gives is kept as long as the input is the same tensor, unwritten: Python does not see a replay."""

    kept = None

    def forward(self, input, hx=None):
        if self.kept is None or self.kept[0] is not input or self.kept[1] != input._version or self.kept[2] is not hx:
            self.kept = input, input._version, hx, super().forward(input, hx)
        output, state = self.kept[3]
        return output.clone(), state.clone()


@extra("own-synchronizes", "agree.captured", "captured")
class SkipsZeroInput(LSTM):
    """Input of nothing but zeros has a short way: to know that, the device is waited for."""

    def run(self, x, state, lengths):
        if x.numel() and float(x.detach().abs().max()) == 0.0:
            x = torch.zeros_like(x)
        return super().run(x, state, lengths)


@extra("own-scripted-states-flipped", "agree.scripted", "torch.jit.script, several states", "packed")
class ScriptedStateFlipped(nn.GRU):
    """The path that TorchScript takes returns the final states of the layers in reverse order.

    The clean layers cannot be scripted, so this one is made of torch.nn's own.
    """

    def forward(self, input: Tensor, hx: Optional[Tensor] = None) -> tuple[Tensor, Tensor]:  # noqa: UP045 (TorchScript)
        batched = input.dim() == 3
        x = input if batched else input.unsqueeze(1)
        if hx is None:
            states = self.num_layers * (2 if self.bidirectional else 1)
            rows = x.size(0 if self.batch_first and batched else 1)
            state = torch.zeros(states, rows, self.hidden_size, dtype=x.dtype, device=x.device)
        else:
            state = hx if batched else hx.unsqueeze(1)
        y, h = torch._VF.gru(x, state, self._flat_weights, self.bias, self.num_layers, self.dropout, self.training,
                             self.bidirectional, self.batch_first and batched)  # fmt: skip
        if torch.jit.is_scripting():
            h = h.flip(0)
        return (y, h) if batched else (y.squeeze(1), h.squeeze(1))
