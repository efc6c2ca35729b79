"""More hand-made situations: memory, refusals, the life of a layer, and what torch may do to it."""

import copy
import pickle

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import pack_padded_sequence

from tests.mutants.observations.situations import (
    BATCH,
    HIDDEN,
    SITUATIONS,
    attempt,
    flat,
    hx_of,
    loss,
    results,
    situation,
    values,
    x_of,
)


def strided(tensor):
    """The same values, every second one in memory."""
    return torch.stack([tensor, torch.zeros_like(tensor)], -1)[..., 0]


@situation
def strides(new):
    layer = new()
    hx = hx_of(layer)
    apart = tuple(strided(h) for h in hx) if isinstance(hx, tuple) else strided(hx)
    yield from results(layer, strided(x_of()), apart)


@situation
def mutation(new):
    """Input, state and parameters after a call, and their flags and versions, with gradients and without."""
    for grad in (True, False):
        layer, x = new(), x_of()
        hx = hx_of(layer)
        with torch.set_grad_enabled(grad):
            results(layer.train(grad), x, hx)
        yield from (x, *flat(hx), *layer.parameters())
        yield [(t.shape, t.requires_grad, t._version) for t in (x, *flat(hx), *layer.parameters())]


@situation
def sharing(new):
    """Which results share memory with which; what a first call's results are after a second call."""
    for time in (6, 1):
        layer, x = new(), x_of(time=time)
        hx = hx_of(layer)
        with torch.no_grad():
            first = results(layer, x, hx)
            places = [t.untyped_storage().data_ptr() for t in (*first, x, *flat(hx))]
            yield [a == b for a in places for b in places]
            results(layer, x + 1, hx)
            yield from first
            results(layer, x)
            yield from results(layer, x)


@situation
def refusals(new):
    """Wrong calls, one after the other, and a good one at the end."""
    layer, x = new(num_layers=2, bidirectional=True), x_of()
    hx = flat(hx_of(layer))

    def state(change):
        return tuple(change(h) for h in hx) if len(hx) == 2 else change(hx[0])

    wrong_states = [
        state(lambda h: h[:, :1]),
        state(lambda h: torch.cat([h, h])),
        state(lambda h: h[None]),
        state(lambda h: h.float()),
        state(lambda h: h.to("meta")),
        (hx[0], hx[1][:, :1]) if len(hx) == 2 else (),
        hx[0] if len(hx) == 2 else (),
    ]
    for wrong in wrong_states:
        yield attempt(lambda wrong=wrong: results(layer, x, wrong))
    for wrong_input in (x[..., :1], torch.cat([x, x], -1), x[None], x.float(), x[:0]):
        yield attempt(lambda wrong=wrong_input: results(layer, wrong))
    yield attempt(lambda: results(layer, x[:0], state(lambda h: h)))
    if len(hx) == 2:
        yield attempt(lambda: results(layer, x, (*hx, hx[1])))
    lengths = torch.tensor([6, 4, 2])
    yield attempt(lambda: results(layer, pack_padded_sequence(torch.cat([x, x], -1), lengths), state(lambda h: h)))
    packed = pack_padded_sequence(x, lengths)
    yield attempt(lambda: results(layer, packed, state(lambda h: torch.cat([h, h], 1))))
    yield [p.requires_grad for p in layer.parameters()]
    yield from results(layer, x)


@situation
def refusals_of_the_constructor(new):
    for wrong in ({"dropout": 1.5}, {"num_layers": 0}, {"hidden_size": 0}, {"input_size": -1}, {"proj": HIDDEN}):
        yield attempt(lambda wrong=wrong: [new(**wrong).num_layers])


@situation
def refused_in_the_middle(new):
    layer = new(batch_first=True)
    wrong = hx_of(layer, BATCH + 1)
    yield attempt(lambda: results(layer, pack_padded_sequence(x_of(), torch.tensor([6, 4, 2])), wrong))
    yield from results(layer, x_of(batch_first=True))


@situation
def copies(new):
    """Deep copies, pickles, and state_dicts, each then changed."""
    layer, x = new(num_layers=2, bidirectional=True, batch_first=True), x_of(batch_first=True)
    twin, thawed = copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))
    for copied in (twin, thawed):
        yield from results(copied, x)
        nn.init.constant_(copied.weight_hh_l1, 0.1)
    yield from results(layer, x)
    layer.load_state_dict({name: 0.5 * t for name, t in layer.state_dict().items()})
    yield from results(layer, x)
    yield [isinstance(part, str) for part in attempt(lambda: results(copy.deepcopy(layer), x))]  # after a call in training


@situation
def changes(new):
    """Weights changed in every way, after a call in eval."""
    layer, x = new(num_layers=2).eval(), x_of()
    with torch.no_grad():
        yield from results(layer, x)
        for k, name in enumerate(("weight_hh_l0", "bias_hh_l1", "weight_ih_l1")):
            getattr(layer, name).data.copy_(values(getattr(layer, name).shape, f"change{k}"))
            yield from results(layer, x)
        layer.weight_hh_l1.mul_(0.5)
        yield from results(layer, x)
        layer.weight_hh_l0 = nn.Parameter(layer.weight_hh_l0 * 2)
        yield from results(layer, x)


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2


@situation
def parametrized(new):
    """A parametrization of a weight, with the gradients of all that learns."""
    layer = new()
    parametrize.register_parametrization(layer, "weight_hh_l0", Halved())
    parts = results(layer, x_of())
    yield from parts
    loss(parts).backward()
    yield from (p.grad for _, p in sorted(layer.named_parameters()))


@situation
def twins(new):
    """Two layers with other options, used in turn."""
    first, second = new(batch_first=True), new(num_layers=2)
    x = x_of(time=BATCH)
    with torch.no_grad():
        for _ in range(2):
            yield from results(first, x)
            yield from results(second, x)


@situation
def eval_then_train(new):
    layer = new(num_layers=2, dropout=0.3)
    for training in (False, True, True):
        torch.manual_seed(3)
        yield from results(layer.train(training), x_of())


@situation
def frozen_above(new):
    """The upper layer frozen: what is below it still learns."""
    layer = new(num_layers=2)
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_("_l0" in name)
    results(layer, x_of())[0].sum().backward()
    yield layer.weight_ih_l0.grad


@situation
def meta(new):
    layer = new(num_layers=2, dtype=torch.float32).to("meta")
    for hx in (None, hx_of(layer, dtype=torch.float32)):
        hx = None if hx is None else tuple(h.to("meta") for h in hx) if isinstance(hx, tuple) else hx.to("meta")
        yield [(p.shape, p.dtype, p.device) for p in results(layer, x_of().float().to("meta"), hx)]


@situation
def switches(new):
    layer = new(num_layers=2)
    with torch.backends.mkldnn.flags(enabled=False):
        yield from results(layer, x_of())


@situation
def transforms(new):
    layer, x, hx = new(dtype=torch.float32), x_of().float(), hx_of(new(), dtype=torch.float32)
    yield attempt(lambda: torch.func.jvp(lambda x: layer(x)[0], (x,), (x,)))
    pairs = tuple(torch.stack([h, h]) for h in hx) if isinstance(hx, tuple) else torch.stack([hx, hx])
    yield attempt(lambda: [torch.func.vmap(lambda x, hx: layer(x, hx)[0])(torch.stack([x, 2 * x]), pairs)])
    other = {name: 2 * p.detach() for name, p in layer.named_parameters()}
    yield torch.func.functional_call(layer, other, (x,))[0]


@situation
def compiled(new):
    torch._dynamo.reset()
    layer, x = new(), x_of().requires_grad_()
    parts = results(torch.compile(layer, backend="eager"), x)
    yield from parts
    yield from torch.autograd.grad(loss(parts), [x])


for _name in ("large_values", "batches", "transforms", "meta", "compiled"):
    SITUATIONS[_name] = SITUATIONS.pop(_name)  # the slow ones last
