"""What must hold of the parameters: every one is used, shared, trained, written and drawn as documented."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import signature
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from rnncheck.catalog.tools.conditions import deterministic, has_bias
from rnncheck.catalog.tools.hidden_permutation import relabelled, restored
from rnncheck.catalog.tools.informative_data import (
    as_lively,
    has_effect,
    in_many_digits,
    is_lively,
    lively,
    lively_parameters,
    positive,
)
from rnncheck.catalog.tools.significance import distance_from_uniform, uniform
from rnncheck.catalog.tools.weight_updates import WAYS, stepped
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.observation import Observation, equal, every, fact, identical, within
from rnncheck.core.property import Family
from rnncheck.core.subject import Layer
from rnncheck.running.backward import named_results, weighted_sum
from rnncheck.running.layout import scattered_in_memory
from rnncheck.running.trial import Trial, seeded, subject_boundary

weights = Family("weights")


@weights("relabel", formula="f(P x; P W P^-1) = P f(x; W)", source="hidden units have no order",
         kind="metamorphic", needs=("load",), applies=deterministic)  # fmt: skip
def relabel(trial: Trial) -> Observation:
    """Reordering the hidden units of each layer and direction reorders outputs and states, and changes nothing else."""
    return trial.same(restored(trial, relabelled(trial).run))


@weights("bias_sum", formula="f(b_ih, b_hh) = f(b_hh, b_ih)", source="lisa-lab/DeepLearningTutorials#81",
         kind="metamorphic", needs=("load",), applies=deterministic & has_bias)  # fmt: skip
def bias_sum(trial: Trial) -> Observation:
    """Swapping b_ih and b_hh changes nothing (except in a GRU's n gate, where r multiplies b_hn)."""
    return trial.same(trial.but(parameters=_exchanged(trial)).run)


def _exchanged(trial: Trial) -> dict[str, Tensor]:
    """b_ih and b_hh exchanged in the rows where that changes no sum."""
    config, new = trial.config, dict(trial.parameters)
    gates = "rz" if config.mode == "GRU" and config.reset_after else config.gates
    for _, _, suffix in config.suffixes():
        ih, hh = trial.parameters["bias_ih" + suffix], trial.parameters["bias_hh" + suffix]
        rows = torch.arange(len(ih), device=ih.device) < len(gates) * config.hidden_size
        new["bias_ih" + suffix], new["bias_hh" + suffix] = torch.where(rows, hh, ih), torch.where(rows, ih, hh)
    return new


# trained --------------------------------------------------------------------------------------------------------------


def _gradients(trial: Trial) -> dict[str, Tensor]:
    """The parameters' gradients of the sum of all results, zero where nothing flows."""
    ones = trial.run.map(torch.ones_like)
    found, live = trial.gradients(ones), trial.layer.parameters()
    gradients = {name: found.get(name) for name, parameter in live.items() if parameter.requires_grad}
    return {name: torch.zeros_like(live[name]) if g is None else g for name, g in gradients.items()}


@weights("alive", formula="d loss / d W[row] != 0", source="google/flax#5594, fastai/fastai2#427",
         kind="derivative", cost=3, needs=("load", "training"), applies=deterministic)  # fmt: skip
def alive(trial: Trial) -> Observation:
    """Every row of every parameter gets a nonzero gradient."""
    found = {name: (g != 0).reshape(len(g), -1).any(1) for name, g in _gradients(in_many_digits(lively(trial))).items()}
    return every(identical(f"rows of {name} with a gradient", rows, torch.ones_like(rows), ("row",))
                 for name, rows in found.items())  # fmt: skip


@weights("trainable", formula="W := W - d loss / d W  =>  W, f(x) move", source="fastai/fastai2#427",
         kind="derivative", cost=4, needs=("training", "module"), applies=deterministic)  # fmt: skip
def trainable(trial: Trial) -> Observation:
    """Every parameter of the module gets a nonzero gradient, and an optimizer step changes the output."""
    if not is_lively(trial) or (not trial.parameters and trial.config.hidden_size < 2):  # a norm or softmax of one number
        return Observation()
    t = lively(trial)
    before, module, cotangents = t.run, t.layer.module, dict(t.cotangents().parts())
    with torch.enable_grad():
        run = t.read(*t.call_on(t.layer, t.x.clone(), t.state))
        loss = torch.stack([(part * cotangents[name]).sum() for name, part in run.parts()]).sum()
    with subject_boundary("running backward"):
        loss.backward()
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    idle = [name for name, p in trained.items() if has_effect(trial, name) and (p.grad is None or not bool(p.grad.any()))]
    torch.optim.SGD(trained.values(), lr=0.1).step()
    moved = not torch.equal(t.run_on(t.layer).output, before.output)
    return fact("parameters without a gradient", not idle, idle, "none") & fact("a step", moved, "no effect", "an effect")


# read -----------------------------------------------------------------------------------------------------------------


@weights("scattered", formula="f(x; W anywhere in memory) = f(x; W contiguous)", cost=4, kind="metamorphic",
         source="cuDNN: 'RNN module weights are not part of single contiguous chunk of memory'", needs=("load", "module"),
         applies=deterministic)  # fmt: skip
def scattered(trial: Trial) -> Observation:
    """Parameters that are strided, transposed or offset in memory give the same results as contiguous ones."""
    layer = trial.build()
    with subject_boundary("moving its parameters in memory"):
        for number, parameter in enumerate(layer.module.parameters()):
            parameter.data = scattered_in_memory(parameter.detach(), number)
    return trial.same(trial.run_on(layer))


# written --------------------------------------------------------------------------------------------------------------


@weights("write_through", formula="W := W'  =>  f(x; W'), and back  =>  f(x; W) ≡ before", cost=25,
         source="stale copies of weights", kind="metamorphic", needs=("load", "module"),
         applies=deterministic)  # fmt: skip
def write_through(trial: Trial) -> Observation:
    """However parameters are changed between two calls, the second uses the new values; restored, they give the old results."""

    def by(way: str, *alone: str) -> Observation:
        layer, told = trial.build(), ", ".join([way, *(f"{name} alone" for name in alone)])
        before, parameters = trial.run_on(layer), dict(layer.module.named_parameters())
        steps = {name: trial.like(parameters[name].detach(), f"step of {name}", 0.5) for name in alone or parameters}
        seen = trial.do(stepped, layer, WAYS[way], steps, doing=f"changing the parameters, {told}")
        written = every(identical(f"{told}: {n}", p, seen["expected"][n]) for n, p in seen["parameters"].items())
        same = written & _as_if_new(trial, layer, f"{told}: ")
        layer.load(trial.parameters)
        return same & trial.identical(trial.run_on(layer), before, f"{told}, and back: ", ("now", "before"))

    names = [name for name, _ in trial.layer.module.named_parameters()]
    return every([*map(by, WAYS), by("in place", names[trial.draw("the one that is changed alone", 0, len(names) - 1)])])


def _as_if_new(trial: Trial, layer: Layer, prefix: str) -> Observation:
    """The layer gives what a new layer gives that is loaded with its parameters; if these can all be read."""
    if set(layer.parameters()) != set(trial.parameters):
        return Observation()
    new = trial.but(parameters={name: p.detach().clone() for name, p in layer.parameters().items()})
    return new.same(trial.run_on(layer), prefix, ("here", "from a new layer"))


class Halved(nn.Module):
    """A parametrization: half of the parameter."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


@weights("parametrize", formula="W = g(V)  =>  f(x; g(V)), d loss / d V = g'(d loss / d W)", cost=6,
         kind="metamorphic", source="torch.nn.utils.parametrize", needs=("load", "module", "training"),
         applies=deterministic)  # fmt: skip
def parametrized(trial: Trial) -> Observation:
    """A parametrization of a weight takes effect in the next call and passes gradients on; once removed, the old results return."""
    layer, halved = trial.build(), trial.but(parameters=_with_half(trial, name := _chosen(trial)))
    before = trial.run_on(layer)
    trial.do(parametrized_by_half, layer, name, doing=f"parametrizing {name}")
    during = trial.run_on(layer)
    given = (*trial.leaves, trial.as_returned(trial.run.map(torch.ones_like), ("output",)))
    trained = trial.do(reaches_the_parametrized, layer, *given, doing="running backward")
    trial.do(no_longer_parametrized, layer, doing=f"removing the parametrization of {name}")
    after = trial.identical(trial.run_on(layer), before, "parametrization removed: ", ("now", "before"))
    seen = halved.same(during, f"{name} halved: ", ("here", "from a new layer"))
    return seen & equal("a gradient of the parametrized", trained, True) & after


def parametrized_by_half(layer: Layer, name: str) -> None:
    """Halve a parameter, which goes by this name among the layer's, by a parametrization."""
    live = layer.parameters()[name]
    own = next(own for own, parameter in layer.module.named_parameters() if parameter is live)
    path, _, attribute = own.rpartition(".")
    parametrize.register_parametrization(layer.module.get_submodule(path), attribute, Halved())


def reaches_the_parametrized(layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor]) -> bool:
    """Return whether backward writes a gradient to what is parametrized."""
    with torch.enable_grad():
        weighted_sum(named_results(layer(x, hx)), weights).backward()
    return any(p.grad is not None for name, p in layer.module.named_parameters() if name.endswith(".original"))


def no_longer_parametrized(layer: Layer) -> None:
    """Remove all parametrizations; the parameters are what they were before."""
    for module in list(layer.module.modules()):
        for name in list(getattr(module, "parametrizations", ())):
            parametrize.remove_parametrizations(module, name, leave_parametrized=False)


def _chosen(trial: Trial) -> str:
    names = list(trial.parameters)
    return names[trial.draw("parametrized weight", 0, len(names) - 1)]


def _with_half(trial: Trial, name: str) -> dict[str, Tensor]:
    return {**trial.parameters, name: trial.parameters[name] / 2}


# built ----------------------------------------------------------------------------------------------------------------

FLAGS: Mapping[str, dict[str, Any]] = {
    "bias": {"bias": (True, False)},
    "batch_first": {"batch_first": (True, False)},
    "bidirectional": {"bidirectional": (True, False)},
    "num_layers": {"num_layers": (1, 2)},
    "dropout": {"dropout": (0.0, 0.5), "num_layers": (2, 2)},
    "proj_size": {"proj_size": (0, 1)},
    "nonlinearity": {"mode": ("RNN_TANH", "RNN_RELU")},
}


@weights("flags", formula="f(flag on) != f(flag off)",
         source="keras-team/keras#8484, NISCHALPI/xLSTM-and-mLSTM#2", cost=20, kind="metamorphic",
         needs=("hx_none", "batched"))  # fmt: skip
def flags(trial: Trial) -> Observation:
    """Every constructor option that the layer accepts has an effect on the output."""
    return every(_matters(trial, flag, values) for flag, values in FLAGS.items())


def _matters(trial: Trial, flag: str, values: Mapping[str, tuple[Any, Any]]) -> Observation:
    """Both values of a flag give different results, in training, for an input of time = batch; if both are claimed."""
    config, training = replace(trial.config, hidden_size=3, proj_size=0, dropout=0.0), trial.subject.offers("training")
    own = {name: getattr(trial.case, name) for name in ("dtype", "device", "seed")}
    base = Case(config, 4, 4, training=training, **own)
    try:
        one, other = (base.but(**{name: pair[i] for name, pair in values.items()}) for i in (0, 1))
    except ValueError:  # not a flag of this mode
        return Observation()
    if one.config.mode[:3] != trial.config.mode[:3] or trial.subject.refuses(one) or trial.subject.refuses(other):
        return Observation()
    (first, x), (second, other_x) = _lively_layer(trial, one), _lively_layer(trial, other)
    seen = type(trial)(trial.subject, one).do(effect, first, second, x, other_x, trial.case.seed, what=f"for the effect of {flag}")
    return equal(f"effect of {flag}", seen, "some")


def _lively_layer(trial: Trial, case: Case) -> tuple[Layer, Tensor]:
    """A layer of this configuration on data where everything has an effect, and its input, the same whatever the layout."""
    x = positive(trial, trial.x.new_empty(4, 4, case.config.input_size), "input of all flags")
    base = type(trial)(trial.subject, case)
    layer = base.but(parameters=lively_parameters(base)).build()
    if not trial.subject.offers("load"):
        _enliven(trial, layer)
    return layer, x


@torch.no_grad()
def effect(first: Layer, second: Layer, x: Tensor, other_x: Tensor, seed: int) -> str:
    """Return whether two layers return different outputs: some effect, or none."""
    outputs = []
    for layer, given in ((first, x), (second, other_x)):
        torch.manual_seed(seed)
        outputs.append(layer(given, None)[0])
    same = outputs[0].shape == outputs[1].shape and torch.equal(*outputs)
    return "none" if same else "some"


def _enliven(trial: Trial, layer: Layer) -> None:
    """Parameters whose meaning is not known are written over where they are: one that begins at 0 shows no effect."""
    parameters = layer.parameters()
    with torch.no_grad():
        for name, value in as_lively(trial, parameters).items():
            parameters[name].copy_(value)


@weights("init", convention="initial parameters are drawn otherwise than torch's", formula="W ~ U(-1/sqrt(hidden), 1/sqrt(hidden))",
         source="torch.nn.LSTM, documentation of Variables", cost=40, kind="invariant",
         needs=("torch_init", "torch_parameters"))  # fmt: skip
def init(trial: Trial) -> Observation:
    """New parameters are uniform within 1/sqrt(hidden_size) of 0, in every layer and direction, and none copies another."""
    config = replace(trial.config, input_size=24, hidden_size=96, proj_size=trial.config.proj_size and 48)
    bound, eps = config.hidden_size**-0.5, torch.finfo(trial.case.torch_dtype).eps
    seen = trial.do(initial_numbers, _new(trial, config), bound)
    inside = every(within(f"initial {name}", p, -bound, bound, eps * bound) for name, p in seen["numbers"].items())
    spread = every(uniform(f"initial {name}", d, len(seen["numbers"][name]), eps) for name, d in seen["distances"].items())
    return inside & spread & equal("initial parameters that are copies", seen["copies"], [])


def initial_numbers(layer: Layer, bound: float) -> dict[str, Any]:
    """Return the numbers of each parameter, how far they are from uniform within this bound, and which are copies of others."""
    drawn = {name: p.detach().double().flatten().cpu() for name, p in layer.parameters().items()}
    copies = [f"{a} = {b}" for a, b in combinations(drawn, 2) if torch.equal(drawn[a], drawn[b])]
    distances = {name: distance_from_uniform(p / bound) for name, p in drawn.items()}
    return {"numbers": drawn, "distances": distances, "copies": copies}


UNLIKELY = 7.0
"""What no initial parameter is."""


@weights("reset", formula="W := 7, reset_parameters()  =>  W != 7", source="torch.nn.RNNBase.reset_parameters", cost=2,
         kind="invariant", needs=("module", "torch_parameters"))  # fmt: skip
def reset(trial: Trial) -> Observation:
    """reset_parameters(), if the layer has one, draws every parameter anew, the second time too."""
    layer = trial.build()
    draw_anew = getattr(layer.module, "reset_parameters", None)
    if draw_anew is None or _wants_arguments(draw_anew):
        return Observation()

    def drawn(time: str) -> Observation:
        same = trial.do(drawn_anew, layer, UNLIKELY, trial.case.seed, doing="resetting its parameters")
        return equal(f"parameters as they were after reset_parameters(), {time}", same, [])

    return drawn("once") & drawn("twice")


def drawn_anew(layer: Layer, unlikely: float, seed: int) -> list[str]:
    """Return the parameters of which some number is this one, as all are before reset_parameters(), after it."""
    with torch.no_grad():
        for parameter in layer.module.parameters():
            parameter.fill_(unlikely)
    torch.manual_seed(seed)
    layer.module.reset_parameters()
    return [name for name, p in layer.module.named_parameters() if bool((p == unlikely).any())]


def _wants_arguments(function: Callable[..., Any]) -> bool:
    try:
        signature(function).bind()
    except TypeError:
        return True
    return False


def _new(trial: Trial, config: Config) -> Layer:
    with seeded(trial.case.seed, trial.case.device), subject_boundary("building", str(config)):
        layer: Layer = trial.subject.build(config, trial.case.torch_dtype, torch.device(trial.case.device))
    return layer
