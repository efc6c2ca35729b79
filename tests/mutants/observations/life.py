"""Hand-made situations of a layer that is changed: copied, moved, frozen, loaded, trained; and of extreme numbers."""

import copy
import gc
import random

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnncheck.backend.torch_state import flags, preserved
from tests.mutants.observations.situations import BATCH, attempt, flat, hx_of, loss, results, situation, values, x_of


@situation
def eval_then_training(new):
    """Put into eval by eval(), and back."""
    layer = new(num_layers=2, dropout=0.5)
    layer.eval()
    layer.train()
    torch.manual_seed(1)
    yield from results(layer, x_of())


@situation
def nan_in_the_state(new):
    layer = new()
    hx = hx_of(layer)
    flat(hx)[0][0, 1, 0] = torch.nan
    yield from results(layer, x_of(), hx)


@situation
def gradients_of_the_output_alone(new):
    layer, x = new(), x_of()
    hx = hx_of(layer, requires_grad=True)
    yield from torch.autograd.grad(results(layer, x, hx)[0].sum(), flat(hx))


@situation
def settings(new):
    """torch's settings after a call, and after one with a state of another size."""
    layer, hx = new(), hx_of(new(), 2 * BATCH)
    with preserved():
        results(layer, x_of())
        yield list(flags().values())
        random.seed(1)
        results(new(num_layers=2, dropout=0.5), x_of())
        yield random.random()
        attempt(lambda: results(layer, x_of(), hx))
        yield torch.is_grad_enabled()


@situation
def one_bias_alone(new):
    layer, x = new().eval(), x_of()
    with torch.no_grad():
        yield from results(layer, x)
        layer.bias_hh_l0.add_(0.5)
        yield from results(layer, x)


@situation
def loaded_and_changed(new):
    """What was given to load_state_dict is changed afterwards."""
    layer, x = new(), x_of()
    given = {name: 0.5 * t for name, t in layer.state_dict().items()}
    layer.load_state_dict(given)
    for tensor in given.values():
        tensor.zero_()
    yield from results(layer, x)


@situation
def copied_with_dropout(new):
    copied = copy.deepcopy(new(num_layers=2, dropout=0.5))
    torch.manual_seed(1)
    yield from results(copied, x_of())


@situation
def frozen_and_moved(new):
    layer = new()
    layer.bias_hh_l0.requires_grad_(False)
    yield [p.requires_grad for p in layer.float().double().parameters()]


@situation
def scaled_losses(new):
    """The gradients of a loss that is very large, and very small."""
    for scale in (2.0**40, 2.0**-40):
        layer, x = new(), x_of().requires_grad_()
        (gradient,) = torch.autograd.grad(scale * loss(results(layer, x)), [x])
        yield gradient / scale


@situation
def autocast_after_a_change(new):
    """Under autocast without gradients, before and after the parameters are changed."""
    layer = new(dtype=torch.float32)
    with torch.no_grad():
        for _ in range(2):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                yield from (part.bfloat16() for part in results(layer, x_of().float()))
            for p in layer.parameters():
                p.add_(0.5)


@situation
def large_input_rectified(new):
    yield from results(new(relu=True), 1e4 * x_of())


@situation
def nan_in_the_last_state(new):
    layer = new()
    hx = hx_of(layer)
    flat(hx)[-1][0, 1, 0] = torch.nan
    yield from results(layer, x_of(), hx)


@situation
def wide_and_many(new):
    yield from results(new(hidden_size=33), x_of(batch=33))


@situation
def frozen_input_weight(new):
    layer = new()
    layer.weight_ih_l0.requires_grad_(False)
    yield from torch.autograd.grad(loss(results(layer, x_of())), [layer.bias_ih_l0])


@situation
def dropout_without_gradients(new):
    """The first layer's final state in train() under no_grad, which no dropout touches."""
    with torch.no_grad():
        yield results(new(num_layers=2, dropout=0.5), x_of())[1][0]


@situation
def dropout_of_equal_sequences(new):
    """Whether two equal sequences, beside a shorter one, are dropped alike."""
    x = x_of()[:, :1].expand(-1, 3, -1)
    packed = pack_padded_sequence(x, torch.tensor([6, 6, 5]))
    torch.manual_seed(0)
    y = pad_packed_sequence(new(num_layers=2, dropout=0.5)(packed)[0])[0]
    yield [torch.equal(y[:, 0], y[:, 1])]


@situation
def gradient_under_dropout(new):
    """Whether the input's gradient is that of the forward pass, by differences under the same seed."""
    layer, x = new(num_layers=2, dropout=0.5), x_of()

    def value(x):
        torch.manual_seed(0)
        return loss(results(layer, x))

    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(leaf), [leaf])
    slope = (value(x + 1e-6) - value(x - 1e-6)) / 2e-6
    yield [abs(gradient.sum().item() - slope.item()) < 1e-5]


@situation
def packed_then_padded(new):
    layer, x = new(), x_of()
    results(layer, pack_padded_sequence(x, torch.tensor([6, 3, 1])))
    yield from results(layer, x)


@situation
def state_given_in_inference_mode(new):
    layer = new()
    hx = hx_of(layer)
    with torch.inference_mode():
        results(layer, x_of(), hx)
    yield from flat(hx)


@situation
def stacked_and_compiled(new):
    torch._dynamo.reset()
    layer = new(num_layers=2)
    yield from results(torch.compile(layer, backend="eager"), x_of(), hx_of(layer))


@situation
def wide_input_odd_rows(new):
    x = values((3, 3, 257), "wide")
    yield from results(new(input_size=257), x)


@situation
def tensors_alive(new):
    """How many more there are after two calls with backward than after one."""
    layer, x, alive = new(), x_of(), []
    gc.collect()
    gc.freeze()  # what was there before is not counted
    try:
        for _ in range(2):
            loss(results(layer, x)).backward()
            gc.collect()
            alive.append(sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects()))
    finally:
        gc.unfreeze()
    yield [alive[1] - alive[0]]


@situation
def loaded_as_part_of_a_model(new):
    layer = new()
    model = torch.nn.ModuleDict({"encoder": layer})
    model.load_state_dict({name: -value for name, value in model.state_dict().items()})
    yield from results(layer, x_of())


@situation
def loaded_by_assignment(new):
    layer, x = new(), x_of()
    results(layer, x)
    layer.load_state_dict({name: -value for name, value in layer.state_dict().items()}, assign=True)
    yield from results(layer, x)
