"""What the three layers have in common: parameters, refusals, and the stack of layers and directions."""

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.core.config import Config, Mode
from rnncheck.nn import validation
from rnncheck.nn.layout import Layout, Packed, Padded
from rnncheck.nn.scan import State, Step, scan_forward, scan_reverse
from rnncheck.typechecked import checked

Columns = tuple[Tensor, ...]
"""What was kept of the steps of one layer and direction, a tensor a field, h the last."""


class Weights(NamedTuple):
    """The parameters of one layer and direction, under torch's names."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None = None
    bias_hh: Tensor | None = None
    weight_hr: Tensor | None = None


class Recurrent(torch.nn.Module):
    """A stack of recurrent layers with torch.nn's constructor, parameters, layouts and refusals.

    A subclass names its state tensors and the fields of its step, and says how a step is taken.
    """

    state_names: tuple[str, ...] = ("hx",)
    step_type: Any

    def __init__(
        self,
        mode: Mode,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int = 0,
        *,
        device: Any,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        validation.check_constructor(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size, dtype)
        if dropout > 0 and num_layers == 1:
            warnings.warn(  # torch.nn's words, so that a filter for them still works
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bool(bidirectional)
        self.proj_size = proj_size
        shapes = Config(
            mode, input_size, hidden_size, num_layers, bias, bidirectional=self.bidirectional, proj_size=proj_size
        ).parameter_shapes()
        for name, shape in shapes.items():
            self.register_parameter(name, torch.nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def step(self, weights: Weights) -> Callable[..., Step]:
        """The cell's step with its recurrent weights bound: ``step(Wx, *state)``."""
        raise NotImplementedError

    # ---- running

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        """(output, final state) of whole sequences, in the layout of the input.

        input:  (time, batch, input); (batch, time, input) if batch_first; (time, input) unbatched; or a PackedSequence
        hx:     (layers*directions, batch, hidden), without batch if unbatched; zeros if None. LSTM: a pair (h_0, c_0)
        output: like the input, with directions*hidden features; a PackedSequence for a PackedSequence
        state:  like hx: each sequence's state after its own last step

        Results have the input's dtype and device and share no memory with anything given. Under autocast all of it,
        state included, is in autocast's dtype (float64 stays float64), as torch.nn's RNN and LSTM have it.

        Raises ValueError for the rank or dtype of the input, TypeError for what is no tensor, and RuntimeError for any
        other misfit of shape, dtype or device: torch.nn's types.
        """
        layout, output, state, _ = self._run(input, hx, keep=_only_h)
        return layout.leave(output), state if len(self.state_names) > 1 else state[0]

    def gates(self, input: Tensor | PackedSequence, hx: Any = None) -> list[dict[str, Tensor | PackedSequence]]:
        """Every gate and state of every step, by its letter: a dict for each layer and direction, in the order of h_n.

        Each tensor is laid out as the output is, with hidden (h: proj_size, if there is a projection) features. Takes
        and raises what ``forward`` does; dropout between layers acts as it does there.
        """
        layout, _, _, columns = self._run(input, hx, keep=_whole_step)
        names = self.step_type._fields
        return [{name: layout.leave(c) for name, c in zip(names, each, strict=True)} for each in columns]

    def _run(self, input: Any, hx: Any, keep: Callable[[Any], Columns]) -> tuple[Any, Tensor, State, list[Columns]]:
        weights = self._weights()
        layout, state = self._admit(input, hx, weights[0].weight_ih)
        x = layout.enter(input)
        dtype = validation.autocast_dtype(x.device.type)
        if dtype is not None:
            x, *state = (_cast(t, dtype) for t in (x, *state))
            weights = [Weights._make(w if w is None else _cast(w, dtype) for w in each) for each in weights]
        output, h_n, c_n, columns = self._stack(layout, weights, keep, x, *state)
        final = (h_n,) if c_n is None else (h_n, c_n)
        return layout, output, tuple(map(layout.leave_state, final)), columns

    def _admit(self, input: Any, hx: Any, weight: Tensor) -> tuple[Layout, list[Tensor]]:
        """The layout of the input and the initial state inside it; raises if either does not fit."""
        layout: Layout
        if isinstance(input, PackedSequence):
            layout = Packed(input, input.batch_sizes.tolist())
            validation.check_packed(self, input, layout.batch_sizes, weight)
            like, batch = input.data, layout.batch_sizes[0]
        else:
            validation.check_input(self, input, weight)
            layout = Padded(input.dim() == 3, self.batch_first)
            like, batch = input, layout.enter(input).size(1)
        if hx is None:
            return layout, [like.new_zeros(shape) for shape in self.state_shapes(batch)]
        state = validation.states_of(self, hx)
        validation.check_states(self, state, like, batch, layout.batched)
        return layout, [layout.enter_state(s) for s in state]

    @checked
    def _stack(
        self,
        layout: Layout,
        weights: list[Weights],
        keep: Callable[[Any], Columns],
        x: Float[Tensor, "time batch input"] | Float[Tensor, "steps input"],
        h_0: Float[Tensor, "states batch features"],
        c_0: Float[Tensor, "states batch hidden"] | None = None,
    ) -> tuple[
        Float[Tensor, "time batch _"] | Float[Tensor, "steps _"],
        Float[Tensor, "states batch features"],
        Float[Tensor, "states batch hidden"] | None,
        list[Columns],
    ]:
        """All layers and directions over the whole sequence: output, h_n, c_n, and what was kept of the steps."""
        initial = [s.unbind(0) for s in (h_0, c_0) if s is not None]
        finals: list[State] = []
        columns: list[Columns] = []
        for layer in range(self.num_layers):
            for direction in range(self.directions):
                k = layer * self.directions + direction
                scan = scan_reverse if direction else scan_forward
                Wx = F.linear(x, weights[k].weight_ih, weights[k].bias_ih)
                steps, final = scan(self.step(weights[k]), layout.split(Wx), tuple(s[k] for s in initial), keep)
                columns.append(tuple(layout.join(column) for column in zip(*steps, strict=True)))
                finals.append(final)
            x = _side_by_side([c[-1] for c in columns[-self.directions :]])
            if layer < self.num_layers - 1 and self.dropout > 0 and self.training:
                x = F.dropout(x, self.dropout)
        h_n, *c_n = (torch.stack(s) for s in zip(*finals, strict=True))
        return x, h_n, c_n[0] if c_n else None, columns

    # ---- parameters

    def reset_parameters(self) -> None:
        """Every parameter uniform in [-1, 1] / sqrt(hidden_size), drawn in torch.nn's order."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            torch.nn.init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Does nothing: there is no flat copy of the parameters that could go stale."""

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction, as torch.nn lists them."""
        return [[w for w in weights if w is not None] for weights in self._weights()]

    def _weights(self) -> list[Weights]:
        """Looked up by name at each call, and once a call, so that every way to change a weight is seen."""
        names = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if self.bias else [])]
        names += ["weight_hr"] if self.proj_size else []
        return [
            Weights(**{name: getattr(self, f"{name}_l{layer}{suffix}") for name in names})
            for layer in range(self.num_layers)
            for suffix in ("", "_reverse")[: self.directions]
        ]

    # ---- sizes

    @property
    def directions(self) -> int:
        """1, or 2 if bidirectional."""
        return 2 if self.bidirectional else 1

    def state_shapes(self, batch: int) -> tuple[tuple[int, int, int], ...]:
        """The shape of h_n (and c_n): (layers*directions, batch, features), whatever batch_first says."""
        states, sizes = self.num_layers * self.directions, (self.proj_size or self.hidden_size, self.hidden_size)
        return tuple((states, batch, size) for size in sizes[: len(self.state_names)])

    def extra_repr(self) -> str:
        """The constructor's arguments that differ from their defaults, as torch.nn writes them."""
        parts = [str(self.input_size), str(self.hidden_size)]
        parts += [f"proj_size={self.proj_size}"] if self.proj_size else []
        parts += [f"num_layers={self.num_layers}"] if self.num_layers != 1 else []
        parts += [] if self.bias else ["bias=False"]
        parts += ["batch_first=True"] if self.batch_first else []
        parts += [f"dropout={self.dropout}"] if self.dropout else []
        parts += ["bidirectional=True"] if self.bidirectional else []
        return ", ".join(parts)


def _only_h(step: Any) -> Columns:
    return (step[-1],)


def _whole_step(step: Any) -> Columns:
    return step


def _side_by_side(outputs: list[Tensor]) -> Tensor:
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """As autocast does: float64 stays what it is."""
    return tensor if tensor.dtype == torch.float64 else tensor.to(dtype)
