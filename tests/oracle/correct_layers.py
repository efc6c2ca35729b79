"""Correct recurrent layers that round in different ways, and the random cases that they and the oracle are tried on."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import rnncheck.nn
from rnncheck.core.config import MODES, Config
from rnncheck.core.run import Run
from rnncheck.diagnosis.cell_variants import tf32, tf32_cut

Parameters = Mapping[str, Tensor]
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Data:
    """A random case: what the layer is, and what it gets."""

    config: Config
    dtype: torch.dtype
    parameters: dict[str, Tensor]
    x: Tensor
    h_0: Tensor
    c_0: Tensor | None
    lengths: list[int] | None

    @property
    def arguments(self) -> tuple:
        """Of the oracle's functions."""
        return self.config, self.parameters, self.x, self.h_0, self.c_0, self.lengths

    @property
    def states(self) -> tuple[Tensor, ...]:
        """The initial states that there are."""
        return (self.h_0,) if self.c_0 is None else (self.h_0, self.c_0)


# layers in plain torch ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Style:
    """How a hand-written layer computes; each field a way of rounding. gate(letter, value) may spoil it."""

    product: Callable[[Tensor, Tensor], Tensor] = lambda x, w: x @ w.T
    sigmoid: Callable[[Tensor], Tensor] = torch.sigmoid
    gate: Callable[[str, Tensor], Tensor] = lambda letter, value: value
    onto: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    bias_last: bool = False
    by_gate: bool = False
    joint: bool = False
    difference: bool = False


def accumulate(order: int) -> Callable[[Tensor, Tensor], Tensor]:
    """One term after the other, rounded each time; order -1: from the last to the first."""
    return lambda x, w: add_terms(torch.zeros_like(x[:, :1]), x, w, order)


def add_terms(start: Tensor, x: Tensor, w: Tensor, order: int = 1) -> Tensor:
    """The same, beginning with start."""
    wide = torch.float32 if x.dtype.itemsize == 2 else x.dtype
    total = start.to(wide)
    for term in [x[:, k : k + 1].to(wide) * w[:, k].to(wide) for k in range(x.shape[1])][::order]:
        total = total + term
    return total.to(x.dtype)


def in_float64(x: Tensor, w: Tensor) -> Tensor:
    """Accumulated in float64."""
    return (x.double() @ w.double().T).to(x.dtype)


def by_tanh(a: Tensor) -> Tensor:
    """The sigmoid from a tanh."""
    return 0.5 + 0.5 * torch.tanh(0.5 * a)


def linear(style: Style, x: Tensor, w: Tensor, b: Tensor | None, gates: int) -> Tensor:
    """w x + b, gate by gate if the style says so."""
    blocks = w.chunk(gates) if style.by_gate else (w,)
    product = torch.cat([style.product(x, block) for block in blocks], -1)
    return product if b is None or style.bias_last else product + b


def pre_activation(style: Style, x: Tensor, h: Tensor, p: Parameters, gates: int) -> Tensor:
    """W x + b_ih + U h + b_hh of so many gates."""
    (w, u), (b_ih, b_hh) = (p["weight_ih"], p["weight_hh"]), (p.get("bias_ih"), p.get("bias_hh"))
    late = style.bias_last and b_ih is not None
    if style.joint:
        both = style.product(torch.cat([x, h], -1), torch.cat([w, u], -1))
        return both if b_ih is None else both + (b_ih + b_hh)
    into = linear(style, x, w, b_ih, gates)
    if style.onto is not None:
        return style.onto(into if b_hh is None else into + b_hh, h, u)
    back = linear(style, h, u, b_hh, gates)
    return into + back + (b_ih + b_hh) if late else into + back


def gated(style: Style, config: Config, x: Tensor, h: Tensor, p: Parameters) -> Tensor:
    """One step of a GRU."""
    size = 2 * config.hidden_size
    first, last = ({name: value[part] for name, value in p.items()} for part in (slice(size), slice(size, None)))
    r, z = style.sigmoid(pre_activation(style, x, h, first, 2)).chunk(2, -1)
    r, z = style.gate("r", r), style.gate("z", z)
    if config.reset_after:
        plain = Style(style.product)
        n_x = linear(plain, x, last["weight_ih"], last.get("bias_ih"), 1)
        n = n_x + r * linear(plain, h, last["weight_hh"], last.get("bias_hh"), 1)
    else:
        n = pre_activation(style, x, r * h, last, 1)
    n = style.gate("n", torch.tanh(n))
    return n + z * (h - n) if style.difference else (1 - z) * n + z * h


def cell(config: Config, style: Style, x: Tensor, state: tuple[Tensor, ...], p: Parameters) -> tuple[Tensor, ...]:
    """One step: x (batch, input), state of (batch, size)."""
    if config.mode == "GRU":
        return (gated(style, config, x, state[0], p),)
    a = pre_activation(style, x, state[0], p, len(config.gates))
    if config.mode != "LSTM":
        return (style.gate("h", torch.tanh(a) if config.mode == "RNN_TANH" else torch.relu(a)),)
    i, f, g, o = (
        style.gate(k, (torch.tanh if k == "g" else style.sigmoid)(v)) for k, v in zip("ifgo", a.chunk(4, -1), strict=True)
    )
    c = f * state[1] + i * g
    h = o * torch.tanh(c)
    return (style.product(h, p["weight_hr"]) if config.proj_size else h), c


def loop(data: Data, style: Style) -> Run:
    """All layers and directions, step by step."""
    config, x, finals = data.config, data.x, []
    ends = torch.tensor(data.lengths or [len(x)] * x.shape[1])[:, None]
    for layer in range(config.num_layers):
        halves = []
        for direction in range(config.directions):
            index = layer * config.directions + direction
            suffix = f"_l{layer}" + "_reverse" * direction
            p = {n.removesuffix(suffix): v for n, v in data.parameters.items() if n.endswith(suffix)}
            state, outputs = tuple(s[index] for s in data.states), [x[0]] * len(x)
            for t in reversed(range(len(x))) if direction else range(len(x)):
                new, live = cell(config, style, x[t], state, p), t < ends
                state = tuple(torch.where(live, n, s) for n, s in zip(new, state, strict=True))
                outputs[t] = torch.where(live, new[0], torch.zeros_like(new[0]))
            halves.append(torch.stack(outputs))
            finals.append(state)
        x = torch.cat(halves, -1)
    return Run(x, *(torch.stack(states) for states in zip(*finals, strict=True)))


# torch's own ----------------------------------------------------------------------------------------------------------


def module(config: Config, dtype: torch.dtype, library: ModuleType = torch.nn) -> torch.nn.Module:
    """The library's layer of this configuration."""
    keys = {"num_layers": config.num_layers, "bias": config.bias, "bidirectional": config.bidirectional, "dtype": dtype}
    if config.mode == "LSTM":
        return library.LSTM(config.input_size, config.hidden_size, proj_size=config.proj_size, **keys)
    if config.mode == "GRU":
        keys |= {} if config.reset_after else {"reset_after": False}
        return library.GRU(config.input_size, config.hidden_size, **keys)
    return library.RNN(config.input_size, config.hidden_size, nonlinearity=config.mode[4:].lower(), **keys)


def call(layer: torch.nn.Module, data: Data) -> Run:
    """The layer with the case's parameters on its data, packed where there are lengths."""
    config = data.config
    hx = data.states if config.takes_tuple else data.h_0
    if data.lengths is None:
        output, state = torch.func.functional_call(layer, data.parameters, (data.x, hx))
    else:
        packed = pack_padded_sequence(data.x, torch.tensor(data.lengths), enforce_sorted=False)
        output, state = torch.func.functional_call(layer, data.parameters, (packed, hx))
        output = pad_packed_sequence(output, total_length=len(data.x))[0]
    return Run(output, *(state if config.takes_tuple else (state,)))


def torch_nn(data: Data) -> Run:
    """torch.nn."""
    return call(module(data.config, data.dtype), data)


def ours(data: Data) -> Run:
    """rnncheck.nn."""
    return call(module(data.config, data.dtype, rnncheck.nn), data)


def without_onednn(data: Data) -> Run:
    """The same with oneDNN off."""
    with torch.backends.mkldnn.flags(enabled=False):
        return torch_nn(data)


def permuted(data: Data) -> Run:
    """torch.nn with the hidden units in another order, and put back: one layer, one direction, no projection."""
    order = torch.randperm(data.config.hidden_size, generator=torch.Generator().manual_seed(0))
    back, gates = order.argsort(), len(data.config.gates)

    def rows(value: Tensor) -> Tensor:
        return value.unflatten(0, (gates, -1))[:, order].flatten(0, 1)

    changed = {name: rows(value) for name, value in data.parameters.items()}
    changed["weight_hh_l0"] = changed["weight_hh_l0"][:, order]
    states = [state[..., order] for state in data.states]
    other = Data(data.config, data.dtype, changed, data.x, states[0], states[1] if states[1:] else None, data.lengths)
    return torch_nn(other).map(lambda value: value[..., back])


# all of them ----------------------------------------------------------------------------------------------------------

STYLES = {
    "one term after the other": Style(product=accumulate(1)),
    "from the last term to the first": Style(product=accumulate(-1), bias_last=True, difference=True),
    "onto the input's part": Style(onto=add_terms),
    "one product of both": Style(joint=True),
    "gate by gate": Style(by_gate=True, difference=True),
    "biases last": Style(bias_last=True),
    "sigmoid from tanh": Style(sigmoid=by_tanh),
    "accumulating in float64": Style(product=in_float64),
}
LAYERS: dict[str, Callable[[Data], Run]] = {
    "torch.nn": torch_nn,
    "torch.nn without oneDNN": without_onednn,
    "rnncheck.nn": ours,
    "permuted units": permuted,
    **{name: lambda data, style=style: loop(data, style) for name, style in STYLES.items()},
}


class Operands(torch.autograd.Function):
    """x wᵀ with the operands of every product changed, backward as well; sums in float32."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, w: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        """change takes and returns float64."""
        ctx.change = lambda value: change(value.double()).float()  # type: ignore[attr-defined]
        ctx.save_for_backward(ctx.change(x), ctx.change(w))  # type: ignore[attr-defined]
        return ctx.change(x) @ ctx.change(w).T  # type: ignore[attr-defined]

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, dy: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        """Of x and w."""
        (x, w), dy = ctx.saved_tensors, ctx.change(dy)  # type: ignore[attr-defined]
        return dy @ w, dy.T @ x, None


def with_operands(change: Callable[[Tensor], Tensor]) -> Style:
    """The operands of products changed, the sums in float32."""
    return Style(product=lambda x, w: Operands.apply(x, w, change))


def cast(dtype: torch.dtype, layer: Callable[[Data], Run]) -> Callable[[Data], Run]:
    """The layer under autocast."""

    def run(data: Data) -> Run:
        with torch.autocast("cpu", dtype):
            return layer(data)

    return run


MODELS: dict[str, tuple[str, Callable[[Data], Run]]] = {
    "float64 sums": ("float32 accumulating in float64", lambda data: loop(data, Style(product=in_float64))),
    "TF32, rounded": ("tf32", lambda data: loop(data, with_operands(tf32))),
    "TF32, cut off": ("tf32", lambda data: loop(data, with_operands(tf32_cut))),
    "torch.nn under autocast": ("autocast(bfloat16)", cast(torch.bfloat16, torch_nn)),
    "rnncheck.nn under autocast": ("autocast(bfloat16)", cast(torch.bfloat16, ours)),
    "a loop under autocast": ("autocast(bfloat16)", cast(torch.bfloat16, lambda data: loop(data, Style()))),
    "a loop under float16 autocast": ("autocast(float16)", cast(torch.float16, lambda data: loop(data, Style()))),
}
"""Correct layers for float32 data that round as another model says."""


@cache
def torchs_lstm_casts() -> bool:
    """Whether oneDNN's LSTM takes bfloat16 on this processor."""
    try:
        with torch.autocast("cpu", torch.bfloat16):
            torch.nn.LSTM(1, 1)(torch.zeros(1, 1, 1))
    except RuntimeError:
        return False
    return True


def can(name: str, data: Data) -> bool:
    """Whether this layer is made for this case, and for this processor."""
    if name == "torch.nn under autocast" and data.config.mode == "LSTM" and not torchs_lstm_casts():
        return False
    if name == "permuted units":
        return data.config.num_layers * data.config.directions == 1 and not data.config.proj_size and data.config.reset_after
    return data.config.reset_after if name.startswith("torch.nn") else True  # its GRU has the other one only


# random cases ---------------------------------------------------------------------------------------------------------


class Draw:
    """Random cases from a seed: sizes small, values from tiny to huge, time to `longest`."""

    def __init__(self, seed: int, dtypes: tuple[torch.dtype, ...] = DTYPES, longest: int = 200) -> None:
        self.random = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.dtypes, self.longest = dtypes, longest

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, float64."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def config(self) -> Config:
        """Any mode and structure, sizes 1 to 7, seldom to 64."""
        r = self.random
        mode, top = r.choice(MODES), 64 if r.random() < 0.03 else 7
        hidden = r.randint(1, top)
        return Config(
            mode,
            r.randint(1, top),
            hidden,
            num_layers=r.choice((1, 1, 2, 3)),
            bias=r.random() < 0.8,
            bidirectional=r.random() < 0.4,
            proj_size=r.randint(1, hidden - 1) if mode == "LSTM" and hidden > 1 and r.random() < 0.2 else 0,
            reset_after=mode != "GRU" or r.random() < 0.8,
        )

    def values(self, *shape: int) -> Tensor:
        """Normal numbers; now and then all or all rows equal, equal but for the sign, sparse, or with one that stands out."""
        r, normal = self.random, self.normal(*shape)
        kind = r.random()
        if kind < 0.06:
            return torch.full(shape, float(normal.flatten()[0]), dtype=torch.float64)
        if kind < 0.08:
            return float(normal.flatten()[0]) * (1 - 2.0 * (torch.arange(normal.numel()) % 2).double()).reshape(shape)
        if kind < 0.1:
            return normal[:1].expand(shape).clone()
        if kind < 0.16:
            return normal * (self.normal(*shape) > 0.8)
        if kind < 0.19:
            normal.flatten()[r.randrange(normal.numel())] *= 100
        return normal

    def time(self) -> int:
        """1 to 12 mostly, to `longest` in one case of fifty."""
        return self.random.randint(1, 12 if self.random.random() > 0.02 else self.longest)

    def __call__(self) -> Data:
        r, config, dtype = self.random, self.config(), self.random.choice(self.dtypes)
        time, batch = self.time(), r.randint(1, 4)
        weight = r.choice((0.01, 0.1, 0.5, 0.5, 1.0, 1.0, 3.0, 10.0, 30.0))
        if config.mode == "RNN_RELU" and r.random() < 0.8:
            weight = min(weight, 0.5)  # or most of them overflow
        inputs, state = r.choice((1e-4, 1e-2, 1.0, 1.0, 1.0, 1e2, 1e4)), r.choice((0.0, 1e-3, 1.0, 1.0))
        if dtype == torch.float16 and r.random() < 0.8:
            inputs = min(inputs, 100.0)  # likewise
        parameters = {n: (weight * self.values(*shape)).to(dtype) for n, shape in config.parameter_shapes().items()}
        strands = config.num_layers * config.directions
        h_0 = (state * self.values(strands, batch, config.state_size)).to(dtype)
        c_0 = (state * self.values(strands, batch, config.hidden_size)).to(dtype) if config.takes_tuple else None
        lengths = [r.randint(1, time) for _ in range(batch)] if r.random() < 0.3 else None
        x = (inputs * self.values(time, batch, config.input_size)).to(dtype)
        return Data(config, dtype, parameters, x, h_0, c_0, lengths)

    def many(self, count: int) -> Iterator[Data]:
        """count cases."""
        for _ in range(count):
            yield self()

    def cotangents(self, data: Data) -> Run:
        """Normal weights of each result, in the case's dtype."""
        config, (time, batch, _) = data.config, data.x.shape
        strands = config.num_layers * config.directions
        sizes = [(time, batch, config.output_size), (strands, batch, config.state_size)]
        sizes += [(strands, batch, config.hidden_size)] if config.takes_tuple else []
        return Run(*(self.normal(*size).to(data.dtype) for size in sizes))


def gradients(layer: Callable[[Data], Run], data: Data, cotangents: Run) -> dict[str, Tensor | None]:
    """Of the sum of results times cotangents, under the oracle's names."""
    given = {"input": data.x, "h_0": data.h_0} | ({} if data.c_0 is None else {"c_0": data.c_0}) | data.parameters
    leaves = {name: value.clone().requires_grad_() for name, value in given.items()}
    parameters = {name: leaves[name] for name in data.parameters}
    data = replace(data, parameters=parameters, x=leaves["input"], h_0=leaves["h_0"], c_0=leaves.get("c_0"))
    loss = sum((part * getattr(cotangents, name)).sum() for name, part in layer(data).parts())
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return dict(zip(leaves, found, strict=True))
