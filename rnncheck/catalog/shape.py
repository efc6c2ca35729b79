"""What comes back, and what is inside: shapes, types and devices of results, names and shapes of parameters."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.catalog.tools.conditions import is_float32, padded
from rnncheck.catalog.tools.designed_weights import settable_shapes
from rnncheck.core.config import Config
from rnncheck.core.observation import Observation, equal, every, identical
from rnncheck.core.property import Family
from rnncheck.core.subject import Layer
from rnncheck.running.backward import named_results
from rnncheck.running.layout import SQUEEZED, is_squeezed
from rnncheck.running.trial import Trial, subject_boundary

shape = Family("shape")
TORCH_RNN = "torch.nn.RNN, GRU, LSTM: Outputs"


def form(value: Any, features: int | None = None) -> dict[str, Any]:
    """What a tensor or PackedSequence looks like from outside, with ``features`` as the size of its last axis."""
    if isinstance(value, PackedSequence):
        order = {name: getattr(value, name) for name in ("batch_sizes", "sorted_indices", "unsorted_indices")}
        lists = {name: None if part is None else part.tolist() for name, part in order.items()}
        return {"type": "PackedSequence", "data": form(value.data, features), **lists}
    if not isinstance(value, Tensor):
        return {"type": type(value).__name__}
    sizes = tuple(value.shape)
    return {"type": "Tensor", "shape": sizes if features is None else (*sizes[:-1], features)}


def place(value: Any) -> tuple[Any, ...]:
    """dtype and device of a tensor or of a PackedSequence's data."""
    data = value.data if isinstance(value, PackedSequence) else value
    return (data.dtype, data.device) if isinstance(data, Tensor) else (type(value).__name__,)


@shape(
    "output",
    formula="y has the layout of x, with directions * features instead of input_size",
    kind="invariant",
    source=TORCH_RNN,
    cost=1,
)
def output(trial: Trial) -> Observation:
    """The output is laid out like the input (unbatched, batch-first or packed) and has features for every direction."""
    given, _ = trial.lay_out(trial.x, trial.state)
    returned, _ = trial.returned
    seen, expected = form(returned), form(given, trial.config.output_size)
    squeezed = is_squeezed(seen.get("shape", ()), expected.get("shape", ()))
    return equal(f"output ({SQUEEZED})" if squeezed else "output", seen, expected)


@shape("state", formula="h_n and c_n have the shapes of h_0 and c_0", kind="invariant", source=TORCH_RNN, cost=1,
       needs=("layer_axis", "state"))  # fmt: skip
def state(trial: Trial) -> Observation:
    """Each final state has shape (layers * directions, batch, its size), whatever batch_first is; an LSTM returns two."""
    _, given = trial.lay_out(trial.x, trial.given_state)
    _, returned = trial.returned
    return equal("final states", [form(part) for part in returned], [form(part) for part in given or ()])


@shape(
    "dtype_device",
    formula="y, h_n, c_n are where x is, and of its dtype",
    kind="invariant",
    cost=1,
    source="keras-team/keras#15140: a state of another dtype than the computation",
)
def dtype_device(trial: Trial) -> Observation:
    """Output and final states have the input's dtype and device, with or without hx.

    A recurrence that is read from its types may keep a state in float32 beside bfloat16 or float16.
    """
    output, state = trial.returned
    return equal("dtype and device of output", place(output), place(trial.x)) & every(
        equal(f"dtype and device of {name}", place(part), _place_of_state(trial, part))
        for name, part in zip(("h_n", "c_n"), state, strict=False)
    )


def _place_of_state(trial: Trial, part: Any) -> tuple[Any, ...]:
    """Return where a final state should be, and of which dtype."""
    dtype, device = place(trial.x)
    finer = trial.config.named is not None and dtype.itemsize == 2 and place(part)[0] == torch.float32
    return (torch.float32 if finer else dtype, device)


@shape(
    "autocast",
    convention="under autocast, results have other dtypes than torch's",
    formula="autocast(f)(x): y and h_n share one dtype, autocast's or the parameters'",
    kind="invariant",
    source="torch.amp; pytorch/pytorch#45048: found Half, expected Float",
    applies=is_float32,
    needs=("autocast",),
    cost=1,
)
def autocast(trial: Trial) -> Observation:
    """Under autocast to bfloat16, output and h_n share one dtype, and each result has autocast's dtype or the parameters'."""
    device, finer = torch.device(trial.case.device).type, trial.config.named is not None  # a state of its own may be finer
    seen = trial.do(dtypes_under_autocast, trial.layer, *trial.arguments, device)
    one, dtypes = seen["one"], seen["dtypes"]
    strange = equal("results that are neither bfloat16 nor float32", seen["strange"], {})
    return strange if finer else strange & equal(f"one dtype of {' and '.join(f'{n} ({t})' for n, t in dtypes.items())}", one, True)


def dtypes_under_autocast(layer: Layer, x: Any, hx: Any, device: str) -> dict[str, Any]:
    """Return the dtypes of output and h_n under autocast to bfloat16, whether they are one, and results of another dtype."""
    with torch.autocast(device, dtype=torch.bfloat16):
        dtypes = {name: part.dtype for name, part in named_results(layer(x, hx)).items()}
    strange = {name: dtype for name, dtype in dtypes.items() if dtype not in (torch.bfloat16, torch.float32)}
    compared = {name: dtype for name, dtype in dtypes.items() if name != "c_n"}
    return {"dtypes": compared, "one": len(set(compared.values())) == 1, "strange": strange}


@shape(
    "parameters",
    formula="state_dict(f) has torch's names and shapes, and loads both ways",
    kind="invariant",
    source="torch.nn.RNN, GRU, LSTM: Variables; pytorch/pytorch#89357",
    needs=("module", "torch_parameters"),
)
def parameters(trial: Trial) -> Observation:
    """Parameters have torch's names, shapes, count and dtype, and a torch layer's state_dict loads and comes back unchanged."""
    with subject_boundary("building"):
        built = trial.subject.build(trial.config, trial.case.torch_dtype, torch.device(trial.case.device))
    seen, expected = trial.do(parameters_inside, built), trial.config.parameter_shapes()
    inside = (
        equal("parameters", seen["parameters"], expected)
        & equal("names in the state_dict", seen["names in the state_dict"], sorted(expected))
        & equal("dtypes of the parameters", seen["dtypes of the parameters"], [str(trial.case.torch_dtype)])
    )
    return inside & loaded_both_ways(trial) if inside.holds else inside


def parameters_inside(layer: Layer) -> dict[str, Any]:
    """Return the names and shapes of a module's parameters, the names of its state_dict, and its dtypes."""
    own = dict(layer.module.named_parameters())
    return {
        "parameters": {name: tuple(p.shape) for name, p in own.items()},
        "names in the state_dict": sorted(layer.module.state_dict()),
        "dtypes of the parameters": sorted({str(p.dtype) for p in own.values()}),
    }


def loaded_both_ways(trial: Trial) -> Observation:
    """After a call, the module takes the state_dict of a torch layer, and gives it back as it was."""
    trial.call_on(trial.layer)
    torchs = {name: -value for name, value in trial.case.parameters().items()}
    stored = trial.do(loaded_and_read, trial.layer, torchs, doing="loading torch's state_dict")
    return every(identical(f"{name} after loading", stored[name], value) for name, value in torchs.items())


def loaded_and_read(layer: Layer, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Load a state_dict, and return the one that comes out then."""
    layer.module.load_state_dict(given)
    return {name: value.detach().clone() for name, value in layer.module.state_dict().items()}


def production(trial: Trial) -> Trial:
    """The same case on the meta device with a batch of thousands; the layer as wide, unless it is an instance.

    Few steps: on meta an operation costs as much whatever its size, and a layer may be a loop over the steps.
    """
    config, time, batch = trial.config, trial.draw("time", 2, 3), trial.draw("batch", 2048, 4096)
    config = trial.subject.fixed or _wide(trial)
    rows = 1 if trial.case.batch is None else batch

    def empty(*sizes: int) -> Tensor:
        return torch.empty(sizes, dtype=trial.case.torch_dtype, device="meta")

    states = config.states
    state = None if trial.state is None else tuple(empty(states, rows, size) for size in config.state_sizes.values())
    weights = {name: empty(*sizes) for name, sizes in settable_shapes(trial, config).items()}
    return trial.but(
        x=empty(time, rows, config.input_size),
        state=state,
        parameters=weights,
        config=config,
        device="meta",
        layout="contiguous",
    )


def _wide(trial: Trial) -> Config:
    """The same configuration of production sizes; of one with named axes, each is as large as their product is then."""
    config, log2 = trial.config, trial.draw("log2 of hidden_size", 12, 14)
    if config.named is not None:
        each = log2 // max(1, len(config.named.sizes))
        return config.resized(**{axis: 2**each for axis, _ in config.named.sizes})
    hidden = 2**log2
    return config.but(input_size=hidden // 2, hidden_size=hidden, proj_size=hidden // 4 if config.proj_size else 0)


@shape(
    "meta",
    formula="meta(f)(meta(x)): shapes of y, h_n, c_n",
    kind="invariant",
    source="torch's meta device",
    applies=padded,
    needs=("meta",),
    cost=40,
)
def meta(trial: Trial) -> Observation:
    """On the meta device, up to production sizes, every configuration returns the right shapes and computes nothing."""
    large = production(trial)
    given, state = large.lay_out(large.x, large.given_state)
    output, final = large.call_on(large.layer)
    devices = {part.device.type for part in (output, *final)}
    expected = () if trial.subject.stateless else state or ()
    return every([
        equal("output", form(output), form(given, large.config.output_size)),
        equal("final states", [form(part) for part in final], [form(part) for part in expected]),
        equal("devices of the results", devices, {"meta"}),
    ])  # fmt: skip
