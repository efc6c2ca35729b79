"""Hand-made situations of large sizes, of lower precision, and of ways of calling that are seldom used."""

import torch
from torch.nn.utils.rnn import pack_padded_sequence

from tests.mutants.observations.situations import hx_of, results, situation, values, x_of


@situation
def more_than_1024_units(new):
    yield from results(new(hidden_size=1025), x_of(time=2))


@situation
def more_than_1024_features(new):
    yield from results(new(input_size=1025), values((2, 3, 1025), "wide"))


@situation
def more_than_1024_steps(new):
    yield from results(new(), x_of(time=1025))


@situation
def many_units_of_many_sequences(new):
    yield from results(new(hidden_size=129), x_of(batch=129, time=2))


@situation
def four_layers(new):
    layer = new(num_layers=4)
    yield from results(layer, x_of(), hx_of(layer))


@situation
def twenty_lengths(new):
    yield from results(new(), pack_padded_sequence(x_of(time=20, batch=20), torch.arange(20, 0, -1)))


@situation
def autocast_to_half(new):
    layer = new(dtype=torch.float32)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.float16):
        yield from results(layer, 3 * x_of().float())


@situation
def autocast_of_low_input(new):
    layer = new(dtype=torch.float32)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        yield from results(layer, x_of().bfloat16())


@situation
def one_tensor_for_both_states(new):
    layer = new()
    hx = hx_of(layer)
    yield from results(layer, x_of(), (hx[0], hx[0]) if isinstance(hx, tuple) else hx)


@situation
def loaded_in_double_precision(new):
    layer = new(dtype=torch.float32)
    layer.load_state_dict({name: value.double() for name, value in layer.state_dict().items()})
    yield [str(p.dtype) for p in layer.parameters()]


@situation
def masks_that_repeat(new):
    """Whether values of the output that are 4 apart, and sequences that are 32 apart, are always dropped alike."""
    layer = new(num_layers=2, dropout=0.5, hidden_size=4)
    for parameter in layer.parameters():
        parameter.data.fill_(0.5)
    torch.manual_seed(0)
    y = results(layer, torch.ones(1, 64, 2, dtype=torch.float64))[0][0]
    yield [all(torch.equal(y[0], part) for part in y), torch.equal(y[:32], y[32:])]
