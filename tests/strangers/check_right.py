"""Prove that each layer of the table is right, and that each mistake differs, in float64 and with torch alone.

    python -m tests.strangers.check_right [NAME ...]

What is right is computed another way: by torch.nn's layer with mapped weights and, one sequence and one step at a time, by a loop
over the equations (both must agree), or, where the recurrence is none of torch's, by such a loop alone. Values and gradients.
"""

import functools
import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from . import containers
from .table import STRANGERS, Stranger

I, H = 3, 4  # of the examples in the table
SIZES = ((5, 3), (1, 2), (4, 1), (3, 3))  # (time, batch)
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


@dataclass(frozen=True)
class Right:
    calls: Callable[..., Sequence[tuple[Any, ...]]]  # given a maker of tensors
    truth: Callable[..., Any]  # given the parameters by name, and a call's arguments
    run: Callable[..., Any]
    modes: tuple[str, ...]
    constant: tuple[int, ...]  # arguments of which no gradient is asked


RIGHT: dict[str, Right] = {}


def right(name, calls, run=lambda m, *a, **k: m(*a, **k), modes=("eval",), constant=()):
    def note(truth):
        assert name not in RIGHT, name
        RIGHT[name] = Right(calls, truth, run, modes, constant)
        return truth

    return note


# ---- torch's three, twice over


def order(w, have, want):
    """Blocks of rows, one a gate, in another order."""
    blocks = dict(zip(have, w.chunk(len(have)), strict=True))
    return torch.cat([blocks[k] for k in want])


def both(kind, step, x, states, weights, **options):
    """Run torch.nn's layer and the loop; x is (time, batch, features), states and results have no axis of layers."""
    wi, wh, bi, bh = weights
    zeros = wi.new_zeros(len(wi))
    bi, bh = zeros if bi is None else bi, zeros if bh is None else bh
    states = [x.new_zeros(x.shape[1], wh.shape[1]) if s is None else s for s in states]
    layer = kind(wi.shape[1], wh.shape[1], **options).to(x.dtype)
    named = {"weight_ih_l0": wi, "weight_hh_l0": wh, "bias_ih_l0": bi, "bias_hh_l0": bh}
    given = tuple(s[None] for s in states)
    y, last = functional_call(layer, named, (x, given if len(given) > 1 else given[0]))
    by_torch = [y, *(s[0] for s in (last if isinstance(last, tuple) else (last,)))]
    ys = [[None] * x.shape[1] for _ in x]
    ends = []
    for b in range(x.shape[1]):
        s = [state[b] for state in states]
        for t in range(len(x)):
            s = step(wi @ x[t, b] + bi, wh @ s[0] + bh, *s)
            ys[t][b] = s[0]
        ends.append(s)
    by_loop = [torch.stack([torch.stack(r) for r in ys]), *(torch.stack(s) for s in zip(*ends, strict=True))]
    for one, other in zip(by_torch, by_loop, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)
    return by_loop


def lstm_step(a, r, h, c):
    i, f, g, o = (a + r).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(a, v, h):
    (r, z, n), (rh, zh, nh) = a.chunk(3), v.chunk(3)
    z = torch.sigmoid(z + zh)
    return ((1 - z) * torch.tanh(n + torch.sigmoid(r + rh) * nh) + z * h,)


def lstm(x, h, c, wi, wh, bi=None, bh=None):
    return both(nn.LSTM, lstm_step, x, (h, c), (wi, wh, bi, bh))


def gru(x, h, wi, wh, bi=None, bh=None):
    return both(nn.GRU, gru_step, x, (h,), (wi, wh, bi, bh))


def rnn(x, h, wi, wh, bi=None, bh=None, act="tanh"):
    f = getattr(torch, act)
    return both(nn.RNN, lambda a, r, h: (f(a + r),), x, (h,), (wi, wh, bi, bh), nonlinearity=act)


def named(p, prefix="", suffix="_l0"):
    return [p[f"{prefix}{w}{suffix}"] for w in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def linears(p, one, other, have=None, want=None):
    """Weights and biases of two Linears, the input's and the state's, as torch has them."""
    found = [p[f"{one}.weight"], p[f"{other}.weight"], p.get(f"{one}.bias"), p.get(f"{other}.bias")]
    return [w if w is None or have is None else order(w, have, want) for w in found]


def joined(p, name, n_in, have=None, want=None, state_first=False):
    """One matrix on [x h] or [h x], as torch's two."""
    w, b = p[f"{name}.weight"], p[f"{name}.bias"]
    if have:
        w, b = order(w, have, want), order(b, have, want)
    wi, wh = (w[:, -n_in:], w[:, :-n_in]) if state_first else (w[:, :n_in], w[:, n_in:])
    return wi, wh, b


def pair(s):
    return (None, None) if s is None else s


def top(s):
    return None if s is None else s[0]


def bt(x):
    return x.transpose(0, 1)


def by_row(step, x, *states):
    """A recurrence of one's own, one sequence and one step at a time: x is (time, batch, features), step gives (y, *states)."""
    columns, ends = [], []
    for b in range(x.shape[1]):
        s = [state[b] for state in states]
        ys = []
        for t in range(len(x)):
            y, *s = step(x[t, b], *s)
            ys.append(y)
        columns.append(torch.stack(ys))
        ends.append(s)
    return [torch.stack(columns, 1), *(torch.stack(s) for s in zip(*ends, strict=True))]


def zero(x, s, *shape):
    return x.new_zeros(*shape) if s is None else s


# ---- one_matrix


@right("CatLSTM", lambda t: [(t("TBI"),), (t("TBI"), (t("1BH"), t("1BH")))])
def _(p, x, s=None):
    h, c = pair(s)
    y, h, c = lstm(x, top(h), top(c), *joined(p, "gates", I, "ifog", "ifgo"))
    return y, h[None], c[None]


def gru_reset_before(x, h, W, U, b):
    """W, U, b: by gate, as column vectors are multiplied."""

    def step(v, h):
        z = torch.sigmoid(W["z"] @ v + U["z"] @ h + b["z"])
        r = torch.sigmoid(W["r"] @ v + U["r"] @ h + b["r"])
        n = torch.tanh(W["n"] @ v + U["n"] @ (r * h) + b["n"])
        h = z * h + (1 - z) * n
        return h, h

    return by_row(step, x, zero(x, h, x.shape[1], H))


@right("StateFirstGRU", lambda t: [(t("BTI"),), (t("BTI"), t("BH"))])
def _(p, x, h=None):
    w = dict(zip("zr", p["zr.weight"].chunk(2), strict=True)) | {"n": p["cand.weight"]}
    b = dict(zip("zr", p["zr.bias"].chunk(2), strict=True)) | {"n": p["cand.bias"]}
    y, h = gru_reset_before(bt(x), h, {k: v[:, H:] for k, v in w.items()}, {k: v[:, :H] for k, v in w.items()}, b)
    return bt(y), h


@right("OldRNN", lambda t: [(t("TBI"), t("BH"))])
def _(p, x, h):
    return rnn(x, h, *joined(p, "i2h", I))


@right("PlainTanh", lambda t: [(t("TBI"),), (t("TBI"), t("1BH"))])
def _(p, x, h=None):
    y, h = rnn(x, top(h), p["W"][:, H:], p["W"][:, :H], p["b"])
    return y, h[None]


# ---- gate_by_gate


@right("BlogLSTM", lambda t: [(t("BTI"),), (t("BTI"), (t("BH"), t("BH")))])
def _(p, x, s=None):
    w = torch.cat([p[f"W_{k}.weight"] for k in "ifCo"])
    y, h, c = lstm(bt(x), *pair(s), w[:, H:], w[:, :H], torch.cat([p[f"W_{k}.bias"] for k in "ifCo"]))
    return bt(y), h, c


@right("NaiveLSTM", lambda t: [(t("BTI"),), (t("BTI"), (t("BH"), t("BH")))])
def _(p, x, s=None):
    wi, wh, b = (torch.cat([p[f"{n}_{k}"].t() for k in "ifgo"]) for n in "UVb")
    y, h, c = lstm(bt(x), *pair(s), wi, wh, b)
    return bt(y), h, c


@right("PaperGRU", lambda t: [(t("TBI"),), (t("TBI"), t("1BH"))])
def _(p, x, h=None):
    wi, wh, bi = (torch.cat([p[n % k] for k in "rzn"]) for n in ("W_i%s.weight", "W_h%s.weight", "W_i%s.bias"))
    y, h = gru(x, top(h), wi, wh, bi, torch.cat([x.new_zeros(2 * H), p["W_hn.bias"]]))
    return y, h[None]


@right("X2HLSTM", lambda t: [(t("TBI"),), (t("TBI"), (t("1BH"), t("1BH")))])
def _(p, x, s=None):
    h, c = pair(s)
    y, h, c = lstm(x, top(h), top(c), *linears(p, "x2h", "h2h", "ifog", "ifgo"))
    return y, h[None], c[None]


@right("X2HGRU", lambda t: [(t("BTI"),), (t("BTI"), t("BH"))])
def _(p, x, h=None):
    y, h = gru(bt(x), h, *linears(p, "x2h", "h2h", "zrn", "rzn"))
    return bt(y), h


@right("TorchNamedLSTM", lambda t: [(t("TBI"),), (t("TBI"), (t("1BH"), t("1BH")))])
def _(p, x, s=None):
    h, c = pair(s)
    y, h, c = lstm(x, top(h), top(c), *named(p))
    return y, h[None], c[None]


@right("ManyGatesLSTM", lambda t: [(t("TBI"),), (t("TBI"), (t("BH"), t("BH")))])
def _(p, x, s=None):
    gates = ("input", "forget", "cell", "output")
    wi, wh, b = (torch.cat([p[n % k] for k in gates]) for n in ("x.%s.weight", "h.%s.weight", "h.%s.bias"))
    return lstm(x, *pair(s), wi, wh, None, b)


@right("LeakyGRU", lambda t: [(t("TBI"),), (t("TBI"), t("1BH"))])
def _(p, x, h=None):
    w = [torch.cat([p[f"r_{k}"], -p[f"z_{k}"], p[f"n_{k}"]]) for k in ("x.weight", "h.weight", "x.bias", "h.bias")]
    y, h = gru(x, top(h), *w)
    return y, h[None]


# ---- transposed


@right("KerasGRU", lambda t: [(t("BTI"),), (t("BTI"), t("BH"))])
def _(p, x, h=None):
    W, U, b = (dict(zip("zrn", p[k].t().chunk(3), strict=True)) for k in ("kernel", "recurrent_kernel", "bias"))
    y, h = gru_reset_before(bt(x), h, W, U, b)
    return bt(y), h


@right("KerasLSTM", lambda t: [(t("BTI"),), (t("BTI"), [t("BH"), t("BH")])])
def _(p, x, s=None):
    y, h, c = lstm(bt(x), *pair(s), p["kernel"].t(), p["recurrent_kernel"].t(), p["bias"])
    return bt(y), h, c


@right("TextbookRNN", lambda t: [(t("TBI"),), (t("TBI"), t("BH"))])
def _(p, x, h=None):
    return rnn(x, h, p["U"].t(), p["W"].t(), p["b"])


# ---- outputs_only


@right("OutputsOnlyLSTM", lambda t: [(t("TBI"),)])
def _(p, x):
    return lstm(x, None, None, *linears(p, "ih", "hh", "fiog", "ifgo"))[0]


@right("SentenceGRU", lambda t: [(t("BTI"),)])
def _(p, x):
    return gru(bt(x), None, *named(p, "gru."))[1]


@right("ElmanBlock", lambda t: [(t("BTI"),)])
def _(p, x):
    return bt(rnn(bt(x), None, *linears(p, "inp", "rec"), act="relu")[0])


@right("LastStateOnly", lambda t: [(t("TBI"),)])
def _(p, x):
    return lstm(x, None, None, *named(p, "cell.", ""))[1]


@right("ListOfOutputs", lambda t: [(list(t("TBI")),), (list(t("TBI")), t("BH"))])
def _(p, xs, h=None):
    return list(rnn(torch.stack(xs), h, *joined(p, "lin", I))[0])


@right("OneSequence", lambda t: [(t("TI"),), (t("TI"), t("H"))])
def _(p, x, h=None):
    y, h = rnn(x[:, None], None if h is None else h[None], p["Wx"], p["Wh"], p["b"])
    return y[:, 0], h[0]


# ---- separate_states


@right("ThreeInThreeOut", lambda t: [(t("TBI"), t("BH"), t("BH"))])
def _(p, x, h, c):
    return lstm(x, h, c, *joined(p, "linear", I))


@right("OptionalStates", lambda t: [(t("TBI"),), (t("TBI"), t("1BH"), t("1BH")), (t("TBI"), t("1BH")), (t("TBI"), None, t("1BH"))])
def _(p, x, h=None, c=None):
    y, h, c = lstm(x, top(h), top(c), *linears(p, "wx", "wh"))
    return y, h[None], c[None]


@right("CellFirstLSTM", lambda t: [(t("TBI"),), (t("TBI"), (t("BH"), t("BH")))])
def _(p, x, s=None):
    c, h = pair(s)
    w, b = order(p["kernel"].t(), "igfo", "ifgo"), order(p["bias"], "igfo", "ifgo")
    one = torch.cat([x.new_zeros(H), x.new_ones(H), x.new_zeros(2 * H)])
    y, h, c = lstm(x, h, c, w[:, :I], w[:, I:], b, one)
    return y, c, h


@right("ListOfStates", lambda t: [(t("TBI"),), (t("TBI"), [(t("BH"), t("BH")), (t("BH"), t("BH"))])])
def _(p, x, s=None):
    s = s or [None, None]
    y, *one = lstm(x, *pair(s[0]), *named(p, "cells.0.", ""))
    y, *two = lstm(y, *pair(s[1]), *named(p, "cells.1.", ""))
    return y, one, two


@right("BatchMajorStates", lambda t: [(t("BTI"),), (t("BTI"), t("B2H"))])
def _(p, x, s=None):
    y, one = gru(bt(x), None if s is None else s[:, 0], *named(p, "rnn."))
    y, two = gru(y, None if s is None else s[:, 1], *named(p, "rnn.", "_l1"))
    return bt(y), torch.stack([one, two], 1)


@right("ScriptedStack", lambda t: [(t("TBI"),), (t("TBI"), [t("BH"), t("BH")])])
def _(p, x, s=None):
    y, one = gru(x, None if s is None else s[0], *named(p, "layers.0.", ""))
    y, two = gru(y, None if s is None else s[1], *named(p, "layers.1.", ""))
    return y, one, two


@right("StackedState", lambda t: [(t("TBI"),), (t("TBI"), t("2BH"))])
def _(p, x, s=None):
    y, h, c = lstm(x, *pair(s), *named(p, "cell.", ""))
    return y, torch.stack([h, c])


@right("LSTMP", lambda t: [(t("TBI"),), (t("TBI"), (t("B2"), t("BH")))])
def _(p, x, s=None):
    r, c = s or (x.new_zeros(x.shape[1], 2), x.new_zeros(x.shape[1], H))
    wi, wh, b = joined(p, "w", I)
    layer = nn.LSTM(I, H, proj_size=2).to(x.dtype)
    by_name = {"weight_ih_l0": wi, "weight_hh_l0": wh, "bias_ih_l0": b, "bias_hh_l0": 0 * b, "weight_hr_l0": p["proj.weight"]}
    y, (r, c) = functional_call(layer, by_name, (x, (r[None], c[None])))
    return y, r[0], c[0]


# ---- containers


@right("NamedStateLSTM", lambda t: [(t("TBI"),), (t("TBI"), containers.LSTMState(t("BH"), t("BH")))])
def _(p, x, s=None):
    return lstm(x, *pair(s), *named(p, "", ""))


@right("DictStateGRU", lambda t: [(t("BTI"),), (t("BTI"), {"h": t("BH")})])
def _(p, x, s=None):
    y, h = gru(bt(x), None if s is None else s["h"], *named(p, "cell.", ""))
    return bt(y), h


@right("TracedLSTM", lambda t: [(t("TBI"),), (t("TBI"), t("BH"), t("BH"))])
def _(p, x, h=None, c=None):
    w = linears(p, "from_input", "from_hidden", "fiog", "ifgo")
    y, hn, cn = lstm(x, h, c, *w)
    before = torch.cat([zero(x, h, x.shape[1], H)[None], y[:-1]])
    return y, hn, cn, torch.sigmoid(x @ w[0][H : 2 * H].T + w[2][H : 2 * H] + before @ w[1][H : 2 * H].T + w[3][H : 2 * H])


@right("LookBackGRU", lambda t: [(t("BTI"),), (t("BTI"), t("1BH"))])
def _(p, x, h=None):
    y, h = gru(bt(x), top(h), *named(p, "gru."))
    T, B, _ = y.shape
    contexts, weights = [], []
    for t in range(T):
        a = torch.softmax((y[: t + 1] * y[t]).sum(-1) / H**0.5, 0)
        contexts.append((a[..., None] * y[: t + 1]).sum(0))
        weights.append(torch.cat([a, y.new_zeros(T - t - 1, B)]).T)
    return torch.stack(contexts, 1), h[None], torch.stack(weights, 1)


@right("RecurrentEncoder", lambda t: [(t("BTI"),), (t("BTI"), (t("1BH"), t("1BH")))])
def _(p, x, s=None):
    h, c = pair(s)
    y, h, c = lstm(bt(x), top(h), top(c), *named(p, "lstm."))
    return bt(y), y.sum(0) / len(y), h[None], c[None]


@right("WithGates", lambda t: [(t("TBI"),), (t("TBI"), t("BH")), (t("TBI"), t("BH"), True)])
def _(p, x, h=None, gates=False):
    w = linears(p, "xh", "hh")
    y, hn = gru(x, h, *w)
    if not gates:
        return y, hn
    before = torch.cat([h[None], y[:-1]])
    return y, hn, torch.sigmoid(x @ w[0].T + w[2] + before @ w[1].T + w[3])[..., : 2 * H].chunk(2, -1)


@right("DataclassStateLSTM", lambda t: [(t("TBI"),), (t("TBI"), containers.Memory(t("BH"), t("BH")))])
def _(p, x, s=None):
    return lstm(x, *((None, None) if s is None else (s.h, s.c)), *named(p, "cell.", ""))


# ---- lengths and masks: a sequence alone, as long as it is


def alone(x, lengths, run, h=None, width=H):
    """Run each sequence by itself: x is (time, batch, features); gives padded outputs and lists of last states."""
    ys, ends = [], []
    for b, n in enumerate(int(v) for v in lengths):
        start = None if h is None else h[b : b + 1]
        if n == 0:
            y, *s = x.new_zeros(0, 1, width), zero(x, start, 1, width), x.new_zeros(1, width)
        else:
            y, *s = run(x[:n, b : b + 1], start)
        ys.append(torch.cat([y[:, 0], y.new_zeros(len(x) - n, y.shape[-1])]))
        ends.append(s)
    return torch.stack(ys, 1), [torch.cat(s) for s in zip(*ends, strict=False)]


def lengths_of(t, least):
    return [max(least, (t.sizes["T"] * (b + 1)) // t.sizes["B"] - (b == 0)) for b in range(t.sizes["B"])]


@right("PackedGRU", lambda t: [(t("BTI"), torch.tensor(lengths_of(t, 1)))])
def _(p, x, n):
    y, (h,) = alone(bt(x), n, lambda v, h: gru(v, h, *named(p, "rnn.")))
    return bt(y), h[None]


@right("ListedLengths", lambda t: [(t("TBI"), lengths_of(t, 0)), (t("TBI"), lengths_of(t, 0)[::-1])])
def _(p, x, n):
    y, (h, c) = alone(x, n, lambda v, h: lstm(v, h, None, *named(p, "cell.", "")))
    return y, h, c


@right(
    "SortedLSTM", lambda t: [(t("TBI"), torch.tensor(lengths_of(t, 1)).roll(1).flip(0)), (t("TBI"), torch.tensor(lengths_of(t, 1)))]
)
def _(p, x, n):
    y, (h, c) = alone(x, n, lambda v, h: lstm(v, h, None, *named(p, "lstm.")))
    return y, h[None], c[None]


@right("DynamicRNN", lambda t: [(t("BTI"),), (t("BTI"), t("BH")), (t("BTI"), t("BH"), torch.tensor(lengths_of(t, 0)))])
def _(p, x, h=None, n=None):
    n = [x.shape[1]] * len(x) if n is None else n
    y, (h,) = alone(bt(x), n, lambda v, h: rnn(v, h, *joined(p, "lin", I)), h)
    return bt(y), h


@right("LastByLength", lambda t: [(t("BTI"), torch.tensor(lengths_of(t, 1)))])
def _(p, x, n):
    return alone(bt(x), n, lambda v, h: gru(v, h, *named(p, "rnn.")))[1][0]


def run_packed(m, x, n, h=None):
    y, h = m(pack_padded_sequence(x, n, enforce_sorted=False), h)
    return pad_packed_sequence(y, total_length=len(x))[0], h


@right(
    "PackedInPackedOut",
    lambda t: [(t("TBI"), torch.tensor(lengths_of(t, 1))), (t("TBI"), torch.tensor(lengths_of(t, 1)), t("1BH"))],
    run=run_packed,
)
def _(p, x, n, h=None):
    def run(v, h):
        y, h = gru(v, h, *named(p, "rnn."))
        return torch.stack([normed(r, p["norm.weight"], p["norm.bias"]) for r in y[:, 0]])[:, None], h

    y, (h,) = alone(x, n, run, top(h))
    return y, h[None]


def compressed(x, keep, run, h=None):
    """Leave the masked steps out of each sequence: gives its outputs at those that are left, and the last states."""
    kept = [x[keep[:, b], b] for b in range(x.shape[1])]
    padded = torch.stack([torch.cat([v, v.new_zeros(len(x) - len(v), I)]) for v in kept], 1)
    y, ends = alone(padded, [len(v) for v in kept], run, h)
    return [y[: len(v), b] for b, v in enumerate(kept)], ends


def mask_of(t):
    return (torch.arange(t.sizes["T"]) + torch.arange(t.sizes["B"])[:, None]) % 3 != 1


@right("BoolMaskLSTM", lambda t: [(t("BTI"),), (t("BTI"), mask_of(t))])
def _(p, x, mask=None):
    keep = (x.new_ones(x.shape[:2]) > 0 if mask is None else mask).T
    ys, (h, c) = compressed(bt(x), keep, lambda v, h: lstm(v, h, None, *named(p, "cell.", "")))
    y = [torch.zeros(len(keep), H, dtype=x.dtype).index_put((keep[:, b],), v) for b, v in enumerate(ys)]
    return torch.stack(y), h, c


@right("FloatMaskGRU", lambda t: [(t("BTI"), mask_of(t).double()), (t("BTI"), mask_of(t).double(), t("BH"))], constant=(1,))
def _(p, x, m, h=None):
    ys, (end,) = compressed(bt(x), m.T > 0, lambda v, h: gru(v, h, *linears(p, "ih", "hh")), h)
    rows = []
    for b, v in enumerate(ys):
        held = torch.cat([zero(x, h, len(x), H)[b : b + 1], v])
        rows.append(held[(m[b] > 0).cumsum(0)])
    return torch.stack(rows), end


@right("EpisodeGRU", lambda t: [(t("TBI"), t("BH"), (~mask_of(t)).T.double())], constant=(2,))
def _(p, x, h, dones):
    columns, ends = [], []
    for b in range(x.shape[1]):
        starts = sorted({0, *(int(t) for t in dones[:, b].nonzero())})
        state, parts = h[b : b + 1], []
        for t, end in zip(starts, [*starts[1:], len(x)], strict=True):
            y, state = gru(x[t:end, b : b + 1], None if dones[t, b] else state, *named(p, "gru.", ""))
            parts.append(y[:, 0])
        columns.append(torch.cat(parts))
        ends.append(state)
    return torch.stack(columns, 1), torch.cat(ends)


# ---- batch_first


@right("TransposingLSTM", lambda t: [(t("BTI"),), (t("BTI"), (t("1BH"), t("1BH")))])
def _(p, x, s=None):
    h, c = pair(s)
    y, h, c = lstm(bt(x), top(h), top(c), *named(p, "rnn."))
    return bt(y), h[None], c[None]


@right("TypedGRU", lambda t: [(t("BTI"),), (t("BTI"), t("BH"))])
def _(p, x, h=None):
    wi, wh, b = joined(p, "to_gates", I)
    wi, wh = torch.cat([wi, p["to_new_x.weight"]]), torch.cat([wh, p["to_new_h.weight"]])
    y, h = gru(bt(x), h, wi, wh, torch.cat([b, p["to_new_x.bias"]]), torch.cat([0 * b, p["to_new_h.bias"]]))
    return bt(y), h


@right("Recurrent", lambda t: [(t("BTI"),), (t("BTI"), t("B1H"))])
def _(p, x, s=None):
    y, h = rnn(bt(x), None if s is None else s[:, 0], *linears(p, "a", "b"))
    return bt(y), h[:, None]


# ---- constructors


@right("ConfiguredLSTM", lambda t: [(t("TBI"),), (t("TBI"), (t("BH"), t("BH")))])
def _(p, x, s=None):
    return lstm(x, *pair(s), *linears(p, "input_proj", "state_proj"))


@right("HiddenFirst", lambda t: [(t("TBI"),), (t("TBI"), t("BH"))])
def _(p, x, h=None):
    return rnn(x, h, *named(p, "cell.", ""), act="relu")


@right("ModelDimGRU", lambda t: [(t("BTH"),), (t("BTH"), t("BH"))])
def _(p, x, h=None):
    y, h = gru(bt(x), h, *linears(p, "in_proj", "rec_proj"))
    return bt(y), h


@right("RequiredExtras", lambda t: [(t("TBI"),), (t("TBI"), t("BH"))], modes=("eval", "train"))
def _(p, x, h=None, training=False):
    keep = torch.stack([nn.functional.dropout(x.new_ones(x.shape[1], H), 0.25, training) for _ in x])
    y, h = rnn(x, h, *linears(p, "inp", "rec"), act="relu")
    return y * keep, h


@right("FromDims", lambda t: [(t("TBI"),), (t("TBI"), [(t("1B5"), t("1B5")), (t("1BH"), t("1BH"))])])
def _(p, x, s=None):
    s = s or [None, None]
    y, *one = lstm(x, *map(top, pair(s[0])), *named(p, "rnns.0."))
    y, *two = lstm(y, *map(top, pair(s[1])), *named(p, "rnns.1."))
    return y, [v[None] for v in (*one, *two)]


@right("KeywordOnly", lambda t: [(t("TBI"),), (t("TBI"), t("BH"))], run=lambda m, x, h=None: m(x, hx=h))
def _(p, x, h=None):
    return gru(x, h, *linears(p, "gx", "gh"))


@right("OptRNN", lambda t: [(t("BTI"),), (t("BTI"), t("1BH"))])
def _(p, x, h=None):
    y, h = gru(bt(x), top(h), *named(p, "rnn."))
    return bt(y), h[None]


@right("KerasStyleOptions", lambda t: [(t("BTI"),), (t("BTI"), t("BH"))])
def _(p, x, h=None):
    y, h = rnn(bt(x).flip(0), h, *named(p, "cell.", ""))
    return bt(y), h


# ---- bidirectional


@right("TwoGRUs", lambda t: [(t("TBI"),), (t("TBI"), t("2BH"))])
def _(p, x, s=None):
    f, b = pair(s)
    (y, h), (z, k) = gru(x, f, *named(p, "fwd.")), gru(x.flip(0), b, *named(p, "bwd."))
    return torch.cat([y, z.flip(0)], -1), torch.stack([h, k])


@right("SummedLSTM", lambda t: [(t("TBI"),)])
def _(p, x):
    y, h, c = lstm(x, None, None, *named(p, "rnn."))
    z, k, d = lstm(x.flip(0), None, None, *named(p, "rnn.", "_l0_reverse"))
    return y + z.flip(0), torch.stack([h, k]), torch.stack([c, d])


@right("BackwardRNN", lambda t: [(t("TBI"),), (t("TBI"), t("BH"))])
def _(p, x, h=None):
    y, h = rnn(x.flip(0), h, *named(p, "cell.", ""))
    return y.flip(0), h


@right("PaddedBiGRU", lambda t: [(t("BTI"), torch.tensor(lengths_of(t, 0)))])
def _(p, x, n):
    y, _ = alone(bt(x), n, lambda v, h: gru(v, h, *named(p, "left.")))
    z, _ = alone(bt(x), n, lambda v, h: [gru(v.flip(0), h, *named(p, "right."))[0].flip(0)])
    return bt(torch.cat([y, z], -1))


@right("BiCellLSTM", lambda t: [(t("BTI"),)])
def _(p, x):
    y, h, _ = lstm(bt(x), None, None, *named(p, "forward_cell.", ""))
    z, k, _ = lstm(bt(x).flip(0), None, None, *named(p, "backward_cell.", ""))
    return bt(torch.cat([y, z.flip(0)], -1)), h, k


# ---- inner_norms


def normed(v, w=None, b=None):
    v = v - v.sum() / len(v)
    v = v / ((v * v).sum() / len(v) + 1e-5).sqrt()
    return v if w is None else v * w + b


@right("NormedGRU", lambda t: [(t("TBI"),), (t("TBI"), t("1BH"))])
def _(p, x, h=None):
    def step(v, h):
        a = normed(p["x.weight"] @ v, p["norm_x.weight"], p["norm_x.bias"])
        (h,) = gru_step(a, normed(p["h.weight"] @ h, p["norm_h.weight"], p["norm_h.bias"]), h)
        return h, h

    y, h = by_row(step, x, zero(x, top(h), x.shape[1], H))
    return y, h[None]


@right("LayerNormLSTM", lambda t: [(t("BTI"),), (t("BTI"), (t("BH"), t("BH")))])
def _(p, x, s=None):
    def step(v, h, c):
        a = p["i2h.weight"] @ v + p["i2h.bias"] + p["h2h.weight"] @ h + p["h2h.bias"]
        f, i, o, g = (normed(a[k * H : k * H + H], p[f"ln.{k}.weight"], p[f"ln.{k}.bias"]) for k in range(4))
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(normed(c, p["ln_c.weight"], p["ln_c.bias"]))
        return h, h, c

    y, h, c = by_row(step, bt(x), *(zero(x, v, len(x), H) for v in pair(s)))
    return bt(y), h, c


@right("ResidualLSTM", lambda t: [(t("TBH"),), (t("TBH"), [(t("1BH"), t("1BH")), (t("1BH"), t("1BH"))])])
def _(p, x, s=None):
    ends = []
    for k, state in enumerate(s or [None, None]):
        y, *end = lstm(x, *map(top, pair(state)), *named(p, f"layers.{k}."))
        x = x + y
        ends += [v[None] for v in end]
    return x, ends


@right("WeightNormRNN", lambda t: [(t("TBI"),), (t("TBI"), t("BH"))])
def _(p, x, h=None):
    g, v = p["rec.parametrizations.weight.original0"], p["rec.parametrizations.weight.original1"]
    w = torch.stack([gain * row / (row * row).sum().sqrt() for gain, row in zip(g, v, strict=True)])
    return rnn(x, h, p["inp.weight"], w, p["inp.bias"])


@right("PreNormBlock", lambda t: [(t("BTH"),), (t("BTH"), t("1B8"))])
def _(p, x, s=None):
    eps = torch.finfo(x.dtype).eps
    scaled = x / ((x * x).sum(-1, keepdim=True) / H + eps).sqrt() * p["norm.weight"]
    y, h = gru(bt(scaled), top(s), *named(p, "rnn."))
    return x + bt(y @ p["out.weight"].T), h[None]


# ---- randomness: the same numbers are drawn again


@right("LockedDropoutLSTM", lambda t: [(t("TBI"),), (t("TBI"), (t("1BH"), t("1BH")))], modes=("eval", "train"))
def _(p, x, s=None, training=False):
    h, c = pair(s)
    before, after = (x.new_empty(1, x.shape[1], n).bernoulli_(0.7) / 0.7 if training else 1 for n in (I, H))
    y, h, c = lstm(x * before, top(h), top(c), *named(p, "rnn."))
    return y * after, h[None], c[None]


@right("ZoneoutLSTM", lambda t: [(t("TBI"),), (t("TBI"), (t("1BH"), t("1BH")))], modes=("eval", "train"))
def _(p, x, s=None, training=False):
    draws = [[torch.rand(x.shape[1], H, dtype=x.dtype) for _ in "hc"] for _ in x] if training else None
    wi, wh, bi, bh = named(p, "cell.", "")
    h, c = ([*zero(x, top(v), x.shape[1], H)] for v in pair(s))
    ys = []
    for t, v in enumerate(x):
        for b in range(x.shape[1]):
            hn, cn = lstm_step(wi @ v[b] + bi, wh @ h[b] + bh, h[b], c[b])
            old_h, old_c = ((d[b] < 0.1).to(x.dtype) for d in draws[t]) if training else (0.1, 0.1)
            h[b], c[b] = old_h * h[b] + (1 - old_h) * hn, old_c * c[b] + (1 - old_c) * cn
        ys.append(torch.stack(h))
    return torch.stack(ys), torch.stack(h)[None], torch.stack(c)[None]


@right("NoisyRNN", lambda t: [(t("BTI"),), (t("BTI"), t("BH"))], modes=("eval", "train"))
def _(p, x, r=None, training=False):
    noise = [0.05 * torch.randn(len(x), H, dtype=x.dtype) if training else x.new_zeros(len(x), H) for _ in range(x.shape[1])]

    def step(v, r):
        a = p["w_in.weight"] @ v[:I] + p["w_rec.weight"] @ r + p["w_rec.bias"] + v[I:]
        r = 0.8 * r + 0.2 * torch.log1p(torch.exp(a))
        return r, r

    y, r = by_row(step, torch.cat([bt(x), torch.stack(noise)], -1), zero(x, r, len(x), H))
    return bt(y), r


@right("WeightDropGRU", lambda t: [(t("TBI"),), (t("TBI"), t("BH"))], modes=("eval", "train"))
def _(p, x, h=None, training=False):
    wi, wh, bi, bh = linears(p, "i", "h")
    keep = nn.functional.dropout(torch.ones_like(wh), 0.4) if training else 1
    return gru(x, h, wi, wh * keep, bi, bh)


# ---- torch_wrappers


@right("CountingLSTM", lambda t: [(t("TBI"),), (t("TBI"), (t("1BH"), t("1BH")))])
def _(p, x, s=None):
    h, c = pair(s)
    y, h, c = lstm(x, top(h), top(c), *named(p))
    return y, h[None], c[None]


@right("ProjectedLSTM", lambda t: [(t("BTI"),), (t("BTI"), (t("1BH"), t("1BH")))])
def _(p, x, s=None):
    h, c = pair(s)
    y, h, c = lstm(bt(x), top(h), top(c), *named(p, "lstm."))
    return bt(y) @ p["fc.weight"].T + p["fc.bias"], h[None], c[None]


@right("Forecaster", lambda t: [(t("BTI"),)])
def _(p, x):
    y, _, _ = lstm(bt(x), None, None, *named(p, "encoder."))
    _, h, _ = lstm(y, None, None, *named(p, "encoder.", "_l1"))
    return h @ p["head.1.weight"].T + p["head.1.bias"]


@right("LazyGRU", lambda t: [(t("BTI"),), (t("BTI"), t("1BH"))])
def _(p, x, h=None):
    y, h = gru(bt(x), top(h), *named(p))
    return bt(y), h[None]


@right("InputDense", lambda t: [(t("TBI"),), (t("TBI"), t("1BH"))])
def _(p, x, h=None):
    a = x @ p["dense.0.weight"].T + p["dense.0.bias"]
    y, h = rnn(a * (a > 0), top(h), *named(p, "rnn."), act="relu")
    return y, h[None]


# ---- called_otherwise


@right("ParameterGRU", lambda t: [(t("BTI"),), (t("BTI"), t("BH"))])
def _(p, x, h=None):
    wi, wh = (torch.cat([p[f"W_{side}{k}"].t() for k in "rzn"]) for side in "ih")
    y, h = gru(bt(x), h, wi, wh, *(torch.cat([p[f"b_{side}{k}"] for k in "rzn"]) for side in "ih"))
    return bt(y), h


@right("LearnedStart", lambda t: [(t("BTI"),), (t("BTI"), t("1BH"))])
def _(p, x, h=None):
    y, h = gru(bt(x), p["h0"][0].expand(len(x), -1) if h is None else top(h), *named(p, "rnn."))
    return bt(y), h[None]


@right("ByKeyword", lambda t: [(t("TBI"),), (t("TBI"), (t("1BH"), t("1BH")))],
       run=lambda m, x, s=None: m(inputs=x, initial_state=s))  # fmt: skip
def _(p, x, s=None):
    h, c = pair(s)
    y, h, c = lstm(x, top(h), top(c), *named(p, "lstm."))
    return {"outputs": y, "final_state": (h[None], c[None])}


@right("PassThrough", lambda t: [(t("TBI"),), (t("TBI"), t("1BH"))])
def _(p, x, h=None):
    y, h = gru(x, top(h), *named(p, "inner."))
    return y, h[None]


@right("SpeechEncoder", lambda t: [(t("BTI"), lengths_to_the_end(t))])
def _(p, x, n):
    y, _ = alone(bt(x), n, lambda v, h: lstm(v, h, None, *named(p, "nbrnn.")))
    z, _ = alone(bt(x), n, lambda v, h: [lstm(v.flip(0), h, None, *named(p, "nbrnn.", "_l0_reverse"))[0].flip(0)])
    return bt(torch.tanh(torch.cat([y, z], -1) @ p["l_last.weight"].T + p["l_last.bias"]))


def lengths_to_the_end(t):
    return [max(1, t.sizes["T"] - b) for b in range(t.sizes["B"])]


# ---- cells


@right("OneMatrixCell", lambda t: [(t("BI"), (t("BH"), t("BH")))])
def _(p, x, s):
    return lstm(x[None], *s, *joined(p, "fc", I, "ifog", "ifgo"))[1:]


@right("MinimalGatedUnit", lambda t: [(t("BI"), t("BH"))])
def _(p, x, h):
    wf, wn = p["forget.weight"], p["candidate.weight"]

    def step(v, h):
        f = torch.sigmoid(wf[:, :H] @ h + wf[:, H:] @ v + p["forget.bias"])
        n = torch.tanh(wn[:, :H] @ (f * h) + wn[:, H:] @ v + p["candidate.bias"])
        return h - f * h + f * n, h

    return by_row(step, x[None], h)[0][0]


@right("GRUStep", lambda t: [(t("BI"),), (t("BI"), t("BH"))])
def _(p, x, h=None):
    _, h = gru(x[None], h, *named(p, "", ""))
    return h, h


@right("CellStack", lambda t: [(t("TBI"),), (t("TBI"), (t("2BI"), t("2BI")))])
def _(p, x, s=None):
    h, c = ((None, None) if v is None else v for v in pair(s))
    y, h0, c0 = lstm(x, h[0], c[0], *named(p, "cells.0.", ""))
    y, h1, c1 = lstm(y, h[1], c[1], *named(p, "cells.1.", ""))
    return y, torch.stack([h0, h1]), torch.stack([c0, c1])


@right("GRUCellLoop", lambda t: [(t("TBI"),), (t("TBI"), t("BH"))])
def _(p, x, h=None):
    return gru(x, h, *named(p, "cell.", ""))


@right("SteppableGRU", lambda t: [(t("BTI"),), (t("BTI"), t("BH"))])
def _(p, x, h=None):
    y, h = gru(bt(x), h, *named(p, "cell.", ""))
    return bt(y), h


# ---- stateful: three calls, a reset, a fourth


def with_reset(reset):
    def run(m, x, y):
        reset(m)
        results = [m(x), m(y), m(x)]
        reset(m)
        return [*results, m(x)]

    return run


@right("StatefulLSTM", lambda t: [(t("TBI"), t("TBI"))], run=with_reset(lambda m: m.reset_state()))
def _(p, x, y):
    w = named(p, "cell.", "")
    a, h, c = lstm(x, None, None, *w)
    b, h, c = lstm(y, h, c, *w)
    return a, b, lstm(x, h, c, *w)[0], a


@right("KeptState", lambda t: [(t("TBI"), t("TBI"))], run=with_reset(lambda m: setattr(m, "hidden", None)))
def _(p, x, y):
    w = named(p, "gru.")
    a, h = gru(x, None, *w)
    b, h = gru(y, h.detach(), *w)
    return a, b, gru(x, h.detach(), *w)[0], a


def tagger_reset(m):
    m.hidden = m.init_hidden()


@right("TutorialTagger", lambda t: [(t("T2I"), t("T2I"))], run=with_reset(tagger_reset))
def _(p, x, y):
    w = named(p, "lstm.")
    a, h, c = lstm(x, None, None, *w)
    b, h, c = lstm(y, h, c, *w)
    return a, b, lstm(x, h, c, *w)[0], a


def run_cell(m, x):
    m.init_hidden(x.shape[1])
    return [m(v) for v in x]


@right("ResetWithBatch", lambda t: [(t("TBI"),)], run=run_cell)
def _(p, x):
    return list(rnn(x, None, *linears(p, "wx", "wh"))[0])


@right("BufferedGRU", lambda t: [(t("BTI"), t("BTI"))], run=with_reset(lambda m: m.reset()))
def _(p, x, y):
    w = named(p, "gru.")
    a, h = gru(bt(x), None, *w)
    b, h = gru(bt(y), h.detach(), *w)
    return bt(a), bt(b), bt(gru(bt(x), h.detach(), *w)[0]), bt(a)


# ---- embedding


@right("CharRNN", lambda t: [(t.ids("BT"),), (t.ids("BT"), t("1BH"))])
def _(p, x, h=None):
    y, h = gru(bt(p["encoder.weight"][x]), top(h), *named(p, "rnn."))
    return bt(y) @ p["decoder.weight"].T + p["decoder.bias"], h[None]


@right("SeqEncoder", lambda t: [(t.ids("TB", 1), torch.tensor(lengths_of(t, 1)))])
def _(p, x, n):
    y, (h, c) = alone(p["embedding.weight"][x], n, lambda v, h: lstm(v, h, None, *named(p, "rnn.")))
    return y, h[None], c[None]


@right("WordLM", lambda t: [(t.ids("TB"), (t("2BH"), t("2BH")))])
def _(p, x, s):
    y, h0, c0 = lstm(p["encoder.weight"][x], s[0][0], s[1][0], *named(p, "rnn."))
    y, h1, c1 = lstm(y, s[0][1], s[1][1], *named(p, "rnn.", "_l1"))
    a = (y @ p["decoder.weight"].T + p["decoder.bias"]).flatten(0, 1)
    return a - a.exp().sum(1, keepdim=True).log(), torch.stack([h0, h1]), torch.stack([c0, c1])


@right("OneHotRNN", lambda t: [(t.ids("BT"),), (t.ids("BT"), t("BH"))])
def _(p, x, h=None):
    one_hot = torch.eye(len(p["W_xh"]), dtype=p["W_xh"].dtype)[bt(x)]
    return rnn(one_hot, h, p["W_xh"].T, p["W_hh"].T, p["b_h"])


# ---- channels_first


@right("SignalLSTM", lambda t: [(t("BIT"),)])
def _(p, x):
    return lstm(x.permute(2, 0, 1), None, None, *named(p, "lstm."))[0].permute(1, 2, 0)


@right("SkipLSTM", lambda t: [(t("BHT"),)])
def _(p, x):
    v = x.permute(2, 0, 1)
    y = lstm(lstm(v, None, None, *named(p, "lstm."))[0], None, None, *named(p, "lstm.", "_l1"))[0]
    return (y + v).permute(1, 2, 0)


@right("ChannelGRU", lambda t: [(t("BIT"),), (t("BIT"), t("BH"))])
def _(p, x, h=None):
    y, h = gru(x.permute(2, 0, 1), h, p["conv_x.weight"][..., 0], p["lin_h.weight"], p["conv_x.bias"], p["lin_h.bias"])
    return y.permute(1, 2, 0), h


# ---- functions


@right("lstm", lambda t: [(t("TBI"), (t("BH"), t("BH")))])
def _(p, x, s):
    wi, wh, b = (torch.cat([p[str(k + i)].t() for i in (0, 3, 9, 6)]) for k in range(3))
    return lstm(x, *s, wi, wh, b)


@right("gru_scan", lambda t: [(t("TBI"), t("BH"))])
def _(p, x, h):
    y, h = gru(x, h, *(torch.cat([p[k + g].T for g in "rzn"]) for k in "xh"))
    return h, y


@right("make_encoder", lambda t: [(t("TBI"),), (t("TBI"), t("BH"))])
def _(p, x, h=None):
    return gru(x, h, *named(p, "cell.", ""))


# ---- other_recurrences


@right("MinGRU", lambda t: [(t("BTI"),), (t("BTI"), t("B1H"))])
def _(p, x, s=None):
    def step(v, h):
        z = torch.sigmoid(p["to_gate.weight"] @ v + p["to_gate.bias"])
        h = (1 - z) * h + z * (p["to_hidden.weight"] @ v + p["to_hidden.bias"])
        return h, h

    y, h = by_row(step, bt(x), zero(x, None if s is None else s[:, 0], len(x), H))
    return bt(y), h[:, None]


@right("IndRNN", lambda t: [(t("TBI"),), (t("TBI"), t("BH"))])
def _(p, x, h=None):
    return rnn(x, h, p["w.weight"], torch.diag(p["u"]), p["w.bias"], act="relu")


@right("SRULayer", lambda t: [(t("TBH"),), (t("TBH"), t("BH"))])
def _(p, x, c=None):
    wu, wf, wr = p["W.weight"].chunk(3)

    def step(v, c):
        f = torch.sigmoid(wf @ v + p["v_f"] * c + p["b_f"])
        r = torch.sigmoid(wr @ v + p["v_r"] * c + p["b_r"])
        c = f * c + (1 - f) * (wu @ v)
        return r * c + (1 - r) * v, c

    return by_row(step, x, zero(x, c, x.shape[1], H))


@right("QRNN", lambda t: [(t("TBI"),)])
def _(p, x):
    before, now = p["conv.weight"].unbind(-1)

    def step(v, last, c):
        z, f, o = (before @ last + now @ v + p["conv.bias"]).chunk(3)
        c = torch.sigmoid(f) * c + (1 - torch.sigmoid(f)) * torch.tanh(z)
        return torch.sigmoid(o) * c, v, c

    return by_row(step, x, torch.zeros_like(x[0]), x.new_zeros(x.shape[1], H))[0]


@right("LRU", lambda t: [(t("BTI"),), (t("BTI"), torch.complex(t("BH"), t("BH")))])
def _(p, u, s=None):
    size, angle = torch.exp(-torch.exp(p["nu_log"])), p["theta"]
    re, im = size * torch.cos(angle), size * torch.sin(angle)
    gain = torch.sqrt(1 - size * size)
    (br, bi), (cr, ci) = p["B"].unbind(-1), p["C"].unbind(-1)

    def step(v, a, b):
        a, b = re * a - im * b + gain * (br @ v), re * b + im * a + gain * (bi @ v)
        return cr @ a - ci @ b + p["D"] * v, a, b

    zeros = u.new_zeros(len(u), H)
    y, a, b = by_row(step, bt(u), *((zeros, zeros) if s is None else (s.real, s.imag)))
    return bt(y), torch.complex(a, b)


@right("CfC", lambda t: [(t("BTI"),), (t("BTI"), t("BH")), (t("BTI"), t("BH"), t("BT").abs())])
def _(p, x, h=None, spans=None):
    spans = x.new_ones(x.shape[:2]) if spans is None else spans

    def step(v, h):
        z = torch.cat([v[:I], h])
        a, b, f, g = (p[f"{k}.weight"] @ z + p[f"{k}.bias"] for k in ("ff1", "ff2", "time_a", "time_b"))
        gate = torch.sigmoid(f * v[I] + g)
        h = (1 - gate) * torch.tanh(a) + gate * torch.tanh(b)
        return h, h

    y, h = by_row(step, bt(torch.cat([x, spans[..., None]], -1)), zero(x, h, len(x), H))
    return bt(y), h


@right("EchoState", lambda t: [(t("TBI"),), (t("TBI"), t("BH"))])
def _(p, u, x=None):
    def step(v, x):
        x = 0.7 * x + 0.3 * torch.tanh(p["W_in"] @ v + p["W"] @ x)
        return p["readout.weight"] @ x + p["readout.bias"], x

    return by_row(step, u, zero(u, x, u.shape[1], H))


@right("PeepholeLSTM", lambda t: [(t("TBI"),), (t("TBI"), (t("BH"), t("BH")))])
def _(p, x, s=None):
    def step(v, h, c):
        i, f, g, o = (p["W.weight"] @ v + p["W.bias"] + p["U.weight"] @ h).chunk(4)
        new = torch.sigmoid(f + p["p_f"] * c) * c + torch.sigmoid(i + p["p_i"] * c) * torch.tanh(g)
        h = torch.sigmoid(o + p["p_o"] * new) * torch.tanh(new)
        return h, h, new

    return by_row(step, x, *(zero(x, v, x.shape[1], H) for v in pair(s)))


@right("ScalarLSTM", lambda t: [(t("BTI"),), (t("BTI"), (t("BH"), t("BH"), t("BH").abs() + 1, t("BH")))])
def _(p, x, s=None):
    def step(v, h, c, n, m):
        z, i, f, o = (p["w.weight"] @ v + p["w.bias"] + p["r.weight"] @ h).chunk(4)
        # without the stabiliser: states are exp(m) times as large
        c, n, decay = c * torch.exp(m), n * torch.exp(m), torch.sigmoid(f)
        c, n = decay * c + torch.exp(i) * torch.tanh(z), decay * n + torch.exp(i)
        m = torch.maximum(torch.log(decay) + m, i)
        h = torch.sigmoid(o) * c / n
        return h, h, c / torch.exp(m), n / torch.exp(m), m

    zeros = x.new_zeros(len(x), H)
    y, *ends = by_row(step, bt(x), *(s or (zeros, zeros, zeros, zeros)))
    return bt(y), ends


@right("ConvFeatureRNN", lambda t: [(t("TBH"),), (t("TBH"), t("BH"))])
def _(p, x, h=None):
    def band(w):  # the convolution as a matrix
        return sum(w[0, 0, k] * torch.diag(w.new_ones(H - abs(k - 1)), k - 1) for k in range(3))

    return rnn(x, h, band(p["x.weight"]), band(p["h.weight"]), p["x.bias"].expand(H))


@right("TokenShift", lambda t: [(t("BTH"),), (t("BTH"), t("BH"))])
def _(p, x, last=None):
    def step(v, last):
        return p["value.weight"] @ (v * p["mu"] + last * (1 - p["mu"])), v

    y, last = by_row(step, bt(x), zero(x, last, len(x), H))
    return bt(y), last


@right("DelayLine", lambda t: [(t("TBI"),), (t("TBI"), t("B2I"))])
def _(p, x, line=None):
    one, two = p["taps.weight"].split(I, 1)

    def step(v, a, b):
        return torch.tanh(one @ b + two @ v + p["taps.bias"]), b, v

    line = zero(x, line, x.shape[1], 2, I)
    y, a, b = by_row(step, x, line[:, 0], line[:, 1])
    return y, torch.stack([a, b], 1)


# ---- the check


class Maker:
    """Makes tensors by letters: T time, B batch, I features, H units, or a digit."""

    def __init__(self, time, batch, seed):
        self.sizes = {"T": time, "B": batch, "I": I, "H": H}
        self.generator = torch.Generator().manual_seed(seed)

    def shape(self, letters):
        return [self.sizes[k] if k in self.sizes else int(k) for k in letters]

    def __call__(self, letters):
        return torch.randn(self.shape(letters), generator=self.generator, dtype=torch.float64)

    def ids(self, letters, least=0):
        return torch.randint(least, 7, self.shape(letters), generator=self.generator)


def flat(value) -> list[Any]:
    if is_dataclass(value):
        value = [getattr(value, f.name) for f in fields(value)]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flat(item)]
    return [value]


def rebuilt(value, change):
    """The same containers, with other tensors in them."""
    if isinstance(value, Tensor):
        return change(value)
    if is_dataclass(value):
        return type(value)(*(rebuilt(getattr(value, f.name), change) for f in fields(value)))
    if isinstance(value, dict):
        return {k: rebuilt(v, change) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(rebuilt(v, change) for v in value))
    if isinstance(value, (list, tuple)):
        return type(value)(rebuilt(v, change) for v in value)
    return value


class Bound(nn.Module):
    """A pure function with its parameters."""

    def __init__(self, function, parameters, first):
        super().__init__()
        self.function, self.first = function, first
        self.keys = list(parameters) if isinstance(parameters, dict) else None
        for k, v in parameters.items() if self.keys else enumerate(parameters):
            self.register_parameter(str(k), nn.Parameter(v.detach()))

    def forward(self, *arguments):
        own = {k: self.get_parameter(k) for k in self.keys} if self.keys else list(self.parameters())
        return self.function(own, *arguments) if self.first else self.function(*arguments, own)


def build(stranger: Stranger, layer=None) -> nn.Module:
    torch.manual_seed(0)
    if stranger.parameters is None:
        return stranger.build(layer).double()
    parameters = stranger.parameters(*stranger.arguments)
    return Bound(layer or stranger.layer, parameters, first=stranger.name == "gru_scan").double()


def shaken(module: nn.Module) -> nn.Module:
    """Nothing stays at zero or one."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return module


def leaves(value):
    return [v for v in flat(value) if isinstance(v, Tensor) and (v.is_floating_point() or v.is_complex())]


def tracked(value):
    return [v for v in leaves(value) if v.requires_grad]


def gradients(results, wanted):
    generator = torch.Generator().manual_seed(2)
    loss = torch.zeros((), dtype=torch.float64)
    for r in leaves(results):
        r = torch.view_as_real(r) if r.is_complex() else r
        loss = loss + (r * torch.randn(r.shape, generator=generator, dtype=torch.float64)).sum()
    if not loss.requires_grad:
        return [None] * len(wanted)
    return list(torch.autograd.grad(loss, wanted, allow_unused=True))


def calls(stranger: Stranger):
    for seed, (time, batch) in enumerate(SIZES):
        for arguments in RIGHT[stranger.name].calls(Maker(time, batch, seed)):
            for mode in RIGHT[stranger.name].modes:
                yield arguments, mode


def given(arguments, constant):
    """Arguments of their own for a call, with gradients."""

    def own(v):
        return v.clone().requires_grad_(v.is_floating_point() or v.is_complex())

    return [a if k in constant else rebuilt(a, own) for k, a in enumerate(arguments)]


def compare(what, one, other):
    if one is None or other is None:
        nothing = other if one is None else one
        assert nothing is None or not nothing.abs().max() > CLOSE["atol"], f"{what}: one of two is missing"
        return
    torch.testing.assert_close(one, other, **CLOSE, msg=lambda text: f"{what}: {text}")


def prove(stranger: Stranger) -> int:
    """Compare the layer with the truth; return the number of calls."""
    known = RIGHT[stranger.name]
    module = shaken(build(stranger))
    weights = dict(module.named_parameters())
    every = weights | dict(module.named_buffers())
    count = 0
    for arguments, mode in calls(stranger):
        module.train(mode == "train")
        run = functools.partial(known.truth, training=True) if mode == "train" else known.truth
        results = []
        for call in (known.run, lambda m, *a, run=run: run(every, *a)):
            mine = given(arguments, known.constant)
            torch.manual_seed(3)
            found = leaves(call(module, *mine))
            results.append((found, gradients(found, list(weights.values()) + tracked(mine))))
        (values, slopes), (true_values, true_slopes) = results
        assert len(values) == len(true_values), f"{len(values)} results, and not {len(true_values)}"
        for k, (one, other) in enumerate(zip(values, true_values, strict=True)):
            compare(f"result {k}, {mode}", one, other)
        names = [*weights, *(f"argument {k}" for k in range(len(slopes) - len(weights)))]
        for name, one, other in zip(names, slopes, true_slopes, strict=True):
            compare(f"gradient of {name}, {mode}", one, other)
        count += 1
    return count


def record(stranger: Stranger, layer=None) -> list[dict[str, Any]]:
    """What can be seen of a layer, a dict a call: results, gradients, what becomes of arguments and of earlier results."""
    known = RIGHT[stranger.name]
    module = build(stranger, layer)
    module.load_state_dict(shaken(build(stranger)).state_dict())
    seen = []
    for arguments, mode in calls(stranger):
        module.train(mode == "train")
        for differentiated in (False, True):
            mine = given(arguments, known.constant) if differentiated else rebuilt(arguments, torch.clone)
            torch.manual_seed(3)
            try:
                found = leaves(known.run(module, *mine))
                now = [v.detach().clone() for v in found]
                slopes = gradients(found, [*module.parameters(), *tracked(mine)]) if differentiated else []
                known.run(module, *rebuilt(arguments, lambda v: v + 1 if v.is_floating_point() else v.clone()))
            except Exception as error:
                seen.append({"raises": type(error).__name__})
            else:
                later = [v.detach() for v in found]
                seen.append({"results": now, "gradients": slopes, "arguments": leaves(mine), "earlier results": later})
    return seen


def apart(one, other) -> bool:
    if one is None or other is None:
        return one is not other
    return one.shape != other.shape or not torch.allclose(one, other, rtol=1e-6, atol=1e-7)


def differs(stranger: Stranger, layer) -> str:
    """Say in how many calls a mistake shows, and where, or nothing."""
    truth, seen = record(stranger), record(stranger, layer)
    assert not any("raises" in call for call in truth)
    where: dict[str, int] = {}
    for call, true_call in zip(seen, truth, strict=True):
        found = {f"raises {call['raises']}"} if "raises" in call else set()
        for name in call.keys() - {"raises"}:
            pairs = list(itertools.zip_longest(call[name], true_call[name]))
            found |= {name} if any(apart(one, other) for one, other in pairs) else set()
        found -= {"earlier results"} if "results" in found else set()
        for name in found:
            where[name] = where.get(name, 0) + 1
    return ", ".join(f"{name} ({count} of {len(seen)} calls)" for name, count in sorted(where.items()))


def main(names: Sequence[str]) -> int:
    torch.set_num_threads(1)
    unknown = set(names) - {s.name for s in STRANGERS}
    assert not unknown, f"not in the table: {', '.join(sorted(unknown))}"
    assert set(RIGHT) == {s.name for s in STRANGERS}, set(RIGHT) ^ {s.name for s in STRANGERS}
    wrong = 0
    for stranger in STRANGERS:
        if names and stranger.name not in names:
            continue
        try:
            print(f"{stranger.target}: right in {prove(stranger)} calls")
        except Exception as error:
            wrong += 1
            print(f"{stranger.target}: NOT RIGHT: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
        for mistake in stranger.mistakes:
            how = differs(stranger, mistake.layer)
            wrong += not how
            print(f"    {mistake.layer.__name__}, {mistake.says}: {how or 'NO DIFFERENCE'}")
    print(f"{wrong} wrong" if wrong else "all are right, and each mistake differs")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
