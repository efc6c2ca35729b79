"""torch's layers on the CPU that refuse what cuDNN refuses, in its words: so that what is declared of CUDA can be tried out.

cuDNN itself: aten/src/ATen/native/cudnn/RNN.cpp and tools/autograd/derivatives.yaml of torch.
"""

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

IN_EVAL = "cudnn RNN backward can only be called in training mode"
TWICE = (
    "the derivative for '_cudnn_rnn_backward' is not implemented. Double backwards is not supported for CuDNN RNNs due to "
    "limitations in the CuDNN API."
)
FORWARD = "Trying to use forward AD with _cudnn_rnn that does not support it because it has not been implemented yet."


class _NotTwice(torch.autograd.Function):
    """A gradient that has none itself."""

    @staticmethod
    def forward(ctx, gradient):
        return gradient.clone()

    @staticmethod
    def backward(ctx, _):
        raise NotImplementedError(TWICE)


class _Given(torch.autograd.Function):
    """What goes into the layer."""

    @staticmethod
    def forward(ctx, tensor):
        return tensor.clone()

    @staticmethod
    def backward(ctx, gradient):
        return _NotTwice.apply(gradient)

    @staticmethod
    def jvp(ctx, _):
        raise NotImplementedError(FORWARD)


class _Returned(torch.autograd.Function):
    """What comes out of it."""

    @staticmethod
    def forward(ctx, tensor, training):
        ctx.training = training
        return tensor.clone()

    @staticmethod
    def backward(ctx, gradient):
        if not ctx.training:
            raise RuntimeError(IN_EVAL)
        return gradient, None

    @staticmethod
    def jvp(ctx, *_):
        raise NotImplementedError(FORWARD)


def _each(value, function):
    if isinstance(value, PackedSequence):
        return PackedSequence(function(value.data), *value[1:])
    if isinstance(value, tuple):
        return tuple(map(function, value))
    return None if value is None else function(value)


def as_cudnn(of: type[nn.RNNBase]) -> type[nn.RNNBase]:
    """torch's layer, with cuDNN's refusals."""

    class AsCuDNN(of):
        def forward(self, input, hx=None):
            output, state = super().forward(_each(input, _Given.apply), _each(hx, _Given.apply))
            return tuple(_each(part, lambda t: _Returned.apply(t, self.training)) for part in (output, state))

    return AsCuDNN
