"""Hand-made situations for single cells, and calls of clip functions."""

import math
import warnings

import torch
from torch import nn

from tests.mutants.observations.situations import BATCH, HIDDEN, INPUT, attempt, flat, values


def cell_situations(target, like):
    """What a cell does with and without hx, twice, unbatched, with gradients, and under autocast."""
    for bias in (True, False):
        cell = target(INPUT, HIDDEN, bias=bias, dtype=torch.float64)
        for name, parameter in cell.named_parameters():
            parameter.data = values(parameter.shape, name, 0.6)
        x = values((BATCH, INPUT), "x").requires_grad_()
        state = tuple(values((BATCH, HIDDEN), f"h{k}") for k in range(2))
        hx, hx_unbatched = state, (state[0][0], state[1][0])
        if "LSTM" not in like.__name__:
            hx, hx_unbatched = hx[0], hx_unbatched[0]
        for given in (None, hx, None):
            new = flat(cell(x, given))
            yield from new
            yield from torch.autograd.grad(sum(s.pow(2).sum() for s in new), [x, *cell.parameters()])
        yield from flat(cell(x[0], hx_unbatched))
        single, x = cell.float(), x.detach().float()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            yield [isinstance(part, str) for part in attempt(lambda cell=single, x=x: flat(cell(x)))]


GRADIENTS = {
    "two": [[3.0, 4.0], [12.0, 0.0, 0.0]],
    "small": [[0.3, 0.4], [0.0]],
    "three": [[3.0, 4.0], [0.5], [1.0, -2.0, 2.0]],
    "inf": [[1.0, 2.0], [math.inf, 3.0]],
    "nan": [[math.nan, 2.0], [3.0]],
    "huge": [[1e30, 2e30], [2e30]],
    "tiny": [[1e-30, 2e-30], [2e-30]],
    "none": [None, [3.0, 4.0]],
    "empty": [[], [3.0, 4.0]],
    "all_none": [None],
    "crowd": [[1.0]] * 330,
}
CALLS = [
    *((name, {"max_norm": 1.0}) for name in GRADIENTS),
    *(("three", {"max_norm": 1.0, "norm_type": p}) for p in (1.0, 3.0, math.inf, 0.0)),
    *((name, {"max_norm": 1.0, "norm_type": math.inf}) for name in ("empty", "all_none")),
    *((name, {"max_norm": 1.0, "error_if_nonfinite": True}) for name in ("inf", "nan", "three")),
    *(("three", {"max_norm": bound}) for bound in (-1.0, math.nan, 0.0, 4.0)),
    *(("three", {"max_norm": 1.0, "foreach": foreach}) for foreach in (True, False)),
    ("tiny", {"max_norm": 1e-30}),
    ("three", {"max_norm": 2}),
]


def clip_situations(clip):
    """Gradients, norm and identity of the gradient tensors after each call, and after a refused one."""
    for name, options in CALLS:
        yield from one_call(clip, name, torch.float32, lambda ps: ps, options)
    for name in ("two", "three"):
        yield from one_call(clip, name, torch.float32, iter, {"max_norm": 1.0})
        yield from one_call(clip, name, torch.float32, lambda ps: ps + ps, {"max_norm": 1.0})
        yield from one_call(clip, name, torch.bfloat16, lambda ps: ps, {"max_norm": 1.0})
    yield from many(clip)
    yield from not_contiguous(clip)
    yield from unusual(clip)


def one_call(clip, name, dtype, passed, options):
    parameters = [nn.Parameter(torch.zeros(len(g or ()), dtype=dtype)) for g in GRADIENTS[name]]
    for p, g in zip(parameters, GRADIENTS[name], strict=True):
        p.grad = None if g is None else torch.tensor(g, dtype=dtype)
    before = [p.grad for p in parameters]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield attempt(lambda: [clip(passed(parameters), **options)])
    yield [p.grad for p in parameters if p.grad is not None]
    yield [p.grad is g for p, g in zip(parameters, before, strict=True)]


def many(clip):
    """A thousand equal gradients of low precision, in one parameter and in two, and their exact norm."""
    for sizes in ((1000,), (999, 1)):
        parameters = [nn.Parameter(torch.zeros(size, dtype=torch.bfloat16)) for size in sizes]
        for p in parameters:
            p.grad = torch.full_like(p, 1.0078125)
        clip(parameters, 10.0)
        yield torch.cat([p.grad.double() for p in parameters]).norm()


def not_contiguous(clip):
    """A gradient of which every second number is one: the tensor that it was, and its values."""
    parameter = nn.Parameter(torch.zeros(3))
    parameter.grad = given = torch.arange(6.0)[::2]
    clip([parameter], 1.0)
    yield [parameter.grad is given]
    yield given


def clipped(clip, gradients, max_norm, **options):
    """What is left of these gradients."""
    parameters = [nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g.clone().requires_grad_(g.requires_grad)
    clip(parameters, max_norm, **options)
    return [p.grad for p in parameters]


def unusual(clip):
    """Many gradients, a long one, a norm just above the bound, half a norm type, and gradients that require gradients."""
    last = torch.zeros(5000).index_fill(0, torch.tensor([4999]), 3.0)
    few = [torch.tensor([3.0, 4.0])]
    yield clipped(clip, [torch.zeros(2)] * 69 + few, 1.0)[-1]
    yield clipped(clip, [last], 1.0)[0][-1]
    yield clipped(clip, few, 4.98)[0]
    yield clipped(clip, few, 1.0, norm_type=1.5)[0]
    yield [clipped(clip, [few[0].clone().requires_grad_()], 1.0)[0].grad_fn is None]


def step_situations(step):
    """What a training step returns and leaves: micro-batches, groups, scales, frozen, eval(), autocast, an infinite number."""
    x, y = torch.linspace(-2, 3, 24).view(6, 4), torch.linspace(1, -2, 12).view(6, 2)
    for scale, kind, frozen, training in (
        (None, torch.optim.SGD, False, True), (64.0, torch.optim.SGD, True, False), (64.0, torch.optim.Adam, False, True),
    ):  # fmt: skip
        for bound in (0.5, 1e3):
            model = Squares()
            model.weight.requires_grad_(not frozen)
            model.train(training)
            optimizer = kind([{"params": [p]} for p in model.parameters() if p.requires_grad], lr=0.1)
            scaler = None if scale is None else torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=1)
            for batches in ([(x, y)], [(x[:2], y[:2]), (x[2:], y[2:])], *([[(x * math.inf, y)]] if scale else [])):
                with torch.autocast("cpu", torch.bfloat16, enabled=frozen):
                    yield step(model, [torch.cat(pair, 1) for pair in batches], optimizer, bound, scaler)
                yield from (p.detach().clone() for p in model.parameters())
                yield [value for state in optimizer.state.values() for value in state.values()]
                yield [model.training, *model.called, 0.0 if scaler is None else scaler.get_scale()]


class Squares(torch.nn.Module):
    """A linear model whose result is its loss."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2, 4) / 4)
        self.bias = torch.nn.Parameter(torch.zeros(2))
        self.called = []

    def forward(self, batch):
        self.called.append(torch.is_autocast_enabled("cpu"))
        x, y = batch[:, :4], batch[:, 4:]
        return ((x @ self.weight.T + self.bias).float() - y).square().mean()
