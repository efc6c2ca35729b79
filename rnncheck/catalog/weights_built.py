"""What must hold of a layer as it is built: its options have an effect, its parameters are drawn as documented."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import signature
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.tools.informative_data import (
    as_lively,
    lively_parameters,
    positive,
)
from rnncheck.catalog.tools.significance import distance_from_uniform, uniform
from rnncheck.catalog.weights import weights
from rnncheck.core.case import Case
from rnncheck.core.kinds import by_name
from rnncheck.core.observation import Observation, equal, every, within
from rnncheck.core.subject import Layer
from rnncheck.running.trial import Trial

FLAGS: Mapping[str, dict[str, Any]] = {
    "bias": {"bias": (True, False)},
    "batch_first": {"batch_first": (True, False)},
    "bidirectional": {"bidirectional": (True, False)},
    "num_layers": {"num_layers": (1, 2)},
    "dropout": {"dropout": (0.0, 0.5), "num_layers": (2, 2)},
    "proj_size": {"proj_size": (0, 1)},
    "nonlinearity": {"mode": by_name()["RNN"]},
}


@weights("flags", formula="f(flag on) != f(flag off)",
         source="keras-team/keras#8484, NISCHALPI/xLSTM-and-mLSTM#2", cost=20, kind="metamorphic",
         needs=("hx_none", "batched"))  # fmt: skip
def flags(trial: Trial) -> Observation:
    """Every constructor option that the layer accepts has an effect on the output."""
    nature = trial.subject.nature
    known = {*nature, "dropout"} if nature.get("eval") else {*nature}  # in eval() there is no dropout
    return every(_matters(trial, flag, values) for flag, values in FLAGS.items() if flag not in known)


def _matters(trial: Trial, flag: str, values: Mapping[str, tuple[Any, Any]]) -> Observation:
    """Both values of a flag give different results, in training, for an input of time = batch; if both are claimed."""
    config = trial.subject.fitted(replace(trial.config, hidden_size=3, proj_size=0, dropout=0.0))
    training = trial.subject.offers("training")
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
    subject = trial.subject.claiming(case)  # several layers may be joined otherwise than torch's
    base = type(trial)(subject, case)
    layer = base.but(parameters=lively_parameters(base)).build()
    if not subject.offers("load"):
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
    """Parameters whose meaning is not known are written over where they are: one that begins at 0 shows no effect.

    One that is frozen at 0 stays so: that is how an option takes it away.
    """
    parameters = {name: p for name, p in layer.parameters().items() if p.requires_grad or p.any()}
    with torch.no_grad():
        for name, value in as_lively(trial, parameters).items():
            parameters[name].copy_(value)


@weights("init", convention="initial parameters are drawn otherwise than torch's", formula="W ~ U(-1/sqrt(hidden), 1/sqrt(hidden))",
         source="torch.nn.LSTM, documentation of Variables", cost=40, kind="invariant", by_choice=True,
         needs=("torch_init", "torch_parameters"))  # fmt: skip
def init(trial: Trial) -> Observation:
    """New parameters are uniform within 1/sqrt(hidden_size) of 0, in every layer and direction, and none copies another."""
    config = replace(trial.config, input_size=24, hidden_size=96, proj_size=trial.config.proj_size and 48)
    bound, eps = config.hidden_size**-0.5, torch.finfo(trial.case.torch_dtype).eps
    seen = trial.do(initial_numbers, trial.anew(config), bound)
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
