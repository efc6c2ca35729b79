"""Hand-made situations in plain torch: what a layer does there, as a list of values that two layers can be compared by.

A situation takes ``new``, which builds the layer for torch's options with parameters that depend on their names only.
"""

import math
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

TIME, BATCH, INPUT, HIDDEN = 6, 3, 2, 4
SITUATIONS: dict[str, Callable[..., Iterator[Any]]] = {}


def situation(f):
    SITUATIONS[f.__name__] = f
    return f


def values(shape, name, scale=1.0, dtype=torch.float64):
    """Normal values that depend on shape and name only."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return (torch.randn(shape, generator=generator, dtype=torch.float64) * scale).to(dtype)


def builder(target, like):
    """``new`` for a layer class: options are torch's, plus relu, proj and dtype."""

    def new(num_layers=1, proj=0, relu=False, dtype=torch.float64, input_size=INPUT, hidden_size=HIDDEN, **options):
        if proj and like is nn.LSTM:
            options["proj_size"] = proj
        if relu and like is nn.RNN:
            options["nonlinearity"] = "relu"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layer = target(input_size, hidden_size, num_layers, dtype=dtype, **options)
        for name, parameter in layer.named_parameters():
            parameter.data = values(parameter.shape, name, 0.6, dtype)
        return layer

    return new


def hx_of(layer, batch: int | None = BATCH, dtype=torch.float64, requires_grad=False):
    """A random initial state as the layer takes it."""
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    sizes = [layer.proj_size or layer.hidden_size] + [layer.hidden_size] * (layer.mode == "LSTM")
    shapes = [(rows, size) if batch is None else (rows, batch, size) for size in sizes]
    state = [values(shape, f"h{k}", dtype=dtype).requires_grad_(requires_grad) for k, shape in enumerate(shapes)]
    return tuple(state) if layer.mode == "LSTM" else state[0]


def flat(hx) -> list[Tensor]:
    return [] if hx is None else list(hx) if isinstance(hx, tuple | list) else [hx]


def results(layer, x, hx=None) -> list[Any]:
    """[output, h_n, (c_n)]; of a packed output its data and indices."""
    y, state = layer(x) if hx is None else layer(x, hx)
    parts = [y.data, y.batch_sizes, y.unsorted_indices] if isinstance(y, PackedSequence) else [y]
    return [*parts, *flat(state)]


def loss(parts):
    """A generic scalar of all floating results."""
    return sum((p * values(p.shape, f"loss{k}").to(p)).sum() for k, p in enumerate(parts)
               if isinstance(p, Tensor) and p.is_floating_point())  # fmt: skip


def with_gradients(layer, x, hx=None, packed=None) -> Iterator[Any]:
    """Results and all gradients in training, then the results of a second and a third call, in eval under no_grad."""
    leaves = [x.requires_grad_(), *(h.requires_grad_() for h in flat(hx))]
    given = x if packed is None else pack_padded_sequence(x, torch.tensor(packed), enforce_sorted=False)
    layer.train()
    parts = results(layer, given, hx)
    yield from parts
    named = sorted(layer.named_parameters())
    yield from torch.autograd.grad(loss(parts), [*leaves, *(p for _, p in named)])
    layer.eval()
    with torch.no_grad():
        for _ in range(2):
            yield from results(layer, given, hx)


def x_of(batch_first=False, time=TIME, batch: int | None = BATCH, size=INPUT):
    shape = (time, size) if batch is None else (batch, time, size) if batch_first else (time, batch, size)
    return values(shape, "x")


LAYOUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one_layer": ({}, {}),
    "one_layer_hx": ({}, {"hx": True}),
    "stacked": ({"num_layers": 3}, {}),
    "stacked_hx": ({"num_layers": 3}, {"hx": True}),
    "bidirectional": ({"num_layers": 2, "bidirectional": True}, {}),
    "bidirectional_hx": ({"num_layers": 3, "bidirectional": True}, {"hx": True}),
    "batch_first": ({"num_layers": 2, "batch_first": True, "bidirectional": True}, {"hx": True}),
    "no_bias": ({"num_layers": 2, "bias": False, "bidirectional": True}, {"hx": True}),
    "projection": ({"num_layers": 2, "proj": 3, "bidirectional": True}, {"hx": True}),
    "relu": ({"num_layers": 2, "relu": True}, {"hx": True}),
    "packed": ({"num_layers": 2}, {"hx": True, "packed": [2, 6, 4]}),
    "packed_first_longest": ({"num_layers": 2, "bidirectional": True}, {"packed": [6, 1, 4]}),
    "packed_projection": ({"proj": 3, "batch_first": True}, {"hx": True, "packed": [2, 6, 1]}),
    "unbatched": ({"bidirectional": True}, {"hx": True, "batch": None}),
    "unbatched_batch_first": ({"batch_first": True}, {"batch": None}),
    "one_step": ({"num_layers": 2}, {"hx": True, "time": 1}),
    "time_is_batch": ({"batch_first": True}, {"time": BATCH}),
}


def plain(options, given):
    def run(new):
        layer = new(**options)
        batch, packed = given.get("batch", BATCH), given.get("packed")
        x = x_of(options.get("batch_first", False) and packed is None, given.get("time", TIME), batch)
        yield from with_gradients(layer, x, hx_of(layer, batch) if given.get("hx") else None, packed)

    return run


for name, (options, given) in LAYOUTS.items():
    SITUATIONS[name] = plain(options, given)


REFUSALS = (RuntimeError, ValueError, TypeError, AttributeError)


def attempt(f) -> list[Any]:
    """What f returns, or that it raised; the errors that torch refuses with are all one."""
    try:
        return list(f())
    except Exception as error:
        return ["refused" if isinstance(error, REFUSALS) else f"raised {type(error).__name__}"]


@situation
def new_layer(new):
    """Names, order, and, with a seed, the initial values, beyond those that a builder sets."""
    yield from new_ones(new, {"num_layers": 2, "bidirectional": True}, {"bias": False, "num_layers": 2})


@situation
def new_layer_with_projection(new):
    yield from new_ones(new, {"proj": 2, "num_layers": 2})


def new_ones(new, *choices):
    for options in choices:
        layer = new(**options)
        yield [(name, tuple(t.shape)) for name, t in layer.state_dict().items()]
        torch.manual_seed(0)
        layer.reset_parameters()
        yield from (p.detach().clone() for p in layer.parameters())


@situation
def dropout(new):
    """With a seed, in training and eval, and again after a call in the other mode."""
    for options in ({}, {"batch_first": True}, {"bidirectional": True}):
        layer = new(num_layers=3, dropout=0.3, **options)
        x = x_of(options.get("batch_first", False))
        for training in (True, True, False, True):
            torch.manual_seed(1)
            yield from results(layer.train(training), x)
        yield from (p.detach().clone() for p in layer.parameters())
    yield from results(new(dropout=0.5), x_of())


@situation
def all_dropped(new):
    """A dropout of 1: results and gradients."""
    layer, x = new(num_layers=2, dropout=1.0).train(), x_of().requires_grad_()
    parts = results(layer, x)
    yield from parts
    yield from torch.autograd.grad(loss(parts), [x, *layer.parameters()])


@situation
def random_state(new):
    """After a call in training without dropout, and one in eval with it."""
    torch.manual_seed(2)
    results(new(num_layers=2), x_of())
    results(new(num_layers=2, dropout=0.5).eval(), x_of())
    yield torch.get_rng_state()


@situation
def gradients_in_part(new):
    """Losses of one result alone; leaves without requires_grad; twice through one graph; two calls into .grad."""
    for k in range(2 + (new().mode == "LSTM")):
        layer, x = new(num_layers=2), x_of().requires_grad_()
        results(layer, x)[k].sum().backward()
        yield x.grad
    layer = new(num_layers=2)
    parts, parameters = results(layer, x_of()), list(layer.parameters())
    for _ in range(2):
        yield from torch.autograd.grad(loss(parts), parameters, retain_graph=True)
    for _ in range(2):
        loss(results(layer, x_of())).backward()
    yield from (p.grad for p in parameters)
    layer, x = new(num_layers=2).requires_grad_(False), x_of().requires_grad_()
    yield from torch.autograd.grad(loss(results(layer, x)), [x])


@situation
def gradients_in_eval(new):
    layer, x = new(num_layers=2).eval(), x_of().requires_grad_()
    yield from torch.autograd.grad(loss(results(layer, x)), [x, *layer.parameters()])


@situation
def open_gates(new):
    """All gates wide open, for many steps."""
    layer = new()
    with torch.no_grad():
        layer.bias_ih_l0.fill_(30.0)
        yield from results(layer, x_of(False, 14))


@situation
def large_gradients(new):
    layer, x = new(), x_of().requires_grad_()
    yield from torch.autograd.grad(loss(results(layer, x)) * 1e3, [x])


def second_derivative(new, **options):
    layer, x = new(**options), x_of().requires_grad_()
    (first,) = torch.autograd.grad(loss(results(layer, x)), [x], create_graph=True)
    yield from torch.autograd.grad((first**2).sum(), [x, *layer.parameters()], allow_unused=True)


@situation
def second_derivatives(new):
    yield attempt(lambda: second_derivative(new))
    yield attempt(lambda: second_derivative(new, bidirectional=True))


@situation
def batches(new):
    """Empty, long and large ones, and many units."""
    layer = new(num_layers=2, bidirectional=True)
    yield from results(layer, x_of(batch=0))
    yield from results(layer, x_of(batch=130, time=2))
    yield from results(layer, x_of(time=257, batch=1))
    yield from results(new(hidden_size=33), x_of())


@situation
def other_shapes(new):
    """One layer, one batch after another, and another dtype."""
    layer = new(bidirectional=True)
    for batch in (2, 3, 1):
        yield from results(layer, x_of(batch=batch))
    yield from results(layer.to(torch.float32), x_of(batch=2).float())


@situation
def large_values(new):
    """Sums that saturate, small ones, NaN, in float32 with gradients."""
    layer = new(dtype=torch.float32)
    for scale in (1e4, 30.0, 1e-3, 1e-12):
        x = (x_of() * scale).float().requires_grad_()
        parts = results(layer, x)
        yield from parts
        yield from torch.autograd.grad(loss(parts), [x])
    x = x_of().float()
    x[2, 1, 0] = math.nan
    yield from results(layer, x)
    yield x
    yield from results(new(bias=False), x_of() * 1e-9)


@situation
def dtypes(new):
    for dtype in (torch.float16, torch.bfloat16):
        layer = new(dtype=dtype)
        for scale in (1, 100):
            yield from results(layer, (x_of() * scale).to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x = x_of().float().requires_grad_()
        parts = results(new(dtype=torch.float32), x)
    yield from parts
    yield from torch.autograd.grad(loss(parts), [x])
