"""RNN, GRU and LSTM: torch.nn's layers, each made of its cell's step."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from rnncheck.cells import (
    ElmanStep,
    GRUStep,
    LSTMStep,
    elman_relu_step,
    elman_tanh_step,
    gru_reset_after_step,
    gru_reset_before_step,
    lstm_projected_step,
    lstm_step,
)
from rnncheck.core.config import Config, Mode
from rnncheck.core.kinds import by_name, kind_of
from rnncheck.nn.base import Recurrent, Weights

_MODES: dict[str, Mode] = {kind_of(mode).activation: mode for mode in by_name()["RNN"]}


class RNN(Recurrent):
    """torch.nn.RNN: the network of Elman (1990), h = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu.

    >>> rnn = RNN(4, 3, num_layers=2)
    >>> output, h_n = rnn(torch.zeros(7, 5, 4))
    >>> output.shape, h_n.shape
    (torch.Size([7, 5, 3]), torch.Size([2, 5, 3]))
    """

    step_type = ElmanStep

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **unknown: Any,
    ) -> None:
        _refuse(unknown)
        if nonlinearity not in _MODES:
            raise ValueError(f"nonlinearity = {nonlinearity!r}, but should be 'tanh' or 'relu'")
        super().__init__(
            _MODES[nonlinearity], input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity

    def step(self, weights: Weights) -> Callable[..., ElmanStep]:
        step = elman_relu_step if self.nonlinearity == "relu" else elman_tanh_step
        return partial(step, weight_hh=weights.weight_hh, bias_hh=weights.bias_hh)


class GRU(Recurrent):
    """torch.nn.GRU, and with reset_after=False the GRU of Cho et al., arXiv:1406.1078v3, and the textbooks.

    reset_after says where the reset gate acts: after the recurrent product as in torch and cuDNN,
    n = tanh(W_in x + b_in + r * (W_hn h + b_hn)); or before it, n = tanh(W_in x + b_in + W_hn (r * h) + b_hn).
    The parameters are the same.

    >>> gru = GRU(4, 3, batch_first=True)
    >>> output, h_n = gru(torch.zeros(5, 7, 4))
    >>> output.shape, h_n.shape
    (torch.Size([5, 7, 3]), torch.Size([1, 5, 3]))
    >>> {gate: tuple(values.shape) for gate, values in gru.gates(torch.zeros(5, 7, 4))[0].items()}
    {'r': (5, 7, 3), 'z': (5, 7, 3), 'n': (5, 7, 3), 'h': (5, 7, 3)}
    """

    step_type = GRUStep

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        reset_after: bool = True,
        **unknown: Any,
    ) -> None:
        _refuse(unknown)
        if not isinstance(reset_after, bool):
            raise TypeError(f"reset_after = {reset_after!r}, but should be a bool")
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.reset_after = reset_after

    def step(self, weights: Weights) -> Callable[..., GRUStep]:
        step = gru_reset_after_step if self.reset_after else gru_reset_before_step
        return partial(step, weight_hh=weights.weight_hh, bias_hh=weights.bias_hh)

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.reset_after else ", reset_after=False")


class LSTM(Recurrent):
    """torch.nn.LSTM, with an optional recurrent projection to proj_size features (Sak et al., arXiv:1402.1128).

    >>> lstm = LSTM(4, 3, bidirectional=True, proj_size=2)
    >>> output, (h_n, c_n) = lstm(torch.zeros(7, 5, 4))
    >>> output.shape, h_n.shape, c_n.shape
    (torch.Size([7, 5, 4]), torch.Size([2, 5, 2]), torch.Size([2, 5, 3]))
    """

    step_type = LSTMStep
    state_names = ("h_0", "c_0")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
            device=device, dtype=dtype,
        )  # fmt: skip

    def step(self, weights: Weights) -> Callable[..., LSTMStep]:
        if weights.weight_hr is None:
            return partial(lstm_step, weight_hh=weights.weight_hh, bias_hh=weights.bias_hh)
        return partial(lstm_projected_step, weight_hh=weights.weight_hh, bias_hh=weights.bias_hh, weight_hr=weights.weight_hr)


OURS: Mapping[str, type[Recurrent]] = {"RNN": RNN, "GRU": GRU, "LSTM": LSTM}
"""Our layers by the name of their kind."""


def layer_of(config: Config, device: Any = None) -> Recurrent:
    """Return our layer of a configuration, as its constructor leaves it."""
    made: Any = OURS[config.kind.name]
    layer: Recurrent = made(config.input_size, config.hidden_size, **config.arguments(), **config.kind.arguments, device=device)
    return layer


def _refuse(unknown: dict[str, Any]) -> None:
    """What torch.nn refuses by name: ValueError for proj_size, TypeError for anything else."""
    if "proj_size" in unknown:
        raise ValueError("proj_size is given, but only an LSTM has a projection")
    if unknown:
        raise TypeError(f"unexpected keyword argument {', '.join(map(repr, unknown))}")
