"""What a constructor offers: an argument that is there and is not refused; and which axis a layer takes for time."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rnncheck.adapters.factory import Constructor
from rnncheck.adapters.probing.dropped_elsewhere import drops_elsewhere
from rnncheck.adapters.probing.ground import BATCH, TIME, Baseline, attempt, ground, reason_not
from rnncheck.adapters.probing.same_features import SUMMED, are_added
from rnncheck.core.config import Config
from rnncheck.core.kinds import OPTIONS, RESET_AFTER, modes_with, only_with
from rnncheck.core.subject import Claim, Layer, NotClaimed, Subject
from rnncheck.reading.fewer_steps import STEPS, steps_of_stack
from rnncheck.reading.parameters.parameter_names import own_parameters
from rnncheck.running.trial import seeded

REFUSALS = (NotImplementedError, ValueError, TypeError, AssertionError, NotClaimed)
"""How a constructor says that it does not offer something; what else it raises is a failure inside."""
ASKED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "layers": ("num_layers", {"num_layers": 2}),
    "bidirectional": ("bidirectional", {"bidirectional": True}),
    "bias_off": ("bias", {"bias": False}),
    "dropout": ("dropout", {"dropout": 0.5, "num_layers": 2}),
    "proj": ("proj_size", {"proj_size": 3}),
    "reset_before": ("reset_after", {"reset_after": False}),
}
"""Features of the constructor: the argument, and the configuration that asks for it."""
IN_EVAL = "the dropout of a single layer is checked in eval() only"
OF_A_HEAD = "its output's size is"
ELSEWHERE = "its dropout acts in other places than between layers, too, and is checked in eval() only"
ONLY = {feature: option for option in OPTIONS for feature in option.features}
"""Features of arguments that only some kinds have."""
OF_A_CELL = ("bias_off", "reset_before")
SHAPED = ("layers", "bidirectional", "bias_off", "proj")
"""Features that change the shapes of parameters."""


def refusal(start: Baseline, config: Config) -> str | None:
    """Why the constructor refuses this configuration; None where it does not, or fails otherwise."""
    build = start.subject.build
    return reason_not(lambda: build(config, torch.float32, torch.device("cpu")), REFUSALS)


def constructor_claims(start: Baseline) -> dict[str, Claim]:
    """The features that are arguments of the constructor; of an instance, what it happens to have."""
    if start.subject.fixed is not None:
        return claims_of_fixed(start.subject.fixed)
    claims = {feature: _asked(start, feature) for feature in ASKED}
    back = _steps_of_two_layers(start) if claims["layers"].offered else None
    if back is not None:
        claims["layers"] = Claim(False, "probed", f"two layers return {back} steps for {STEPS[0]}")
    if claims["bidirectional"].offered and not start.subject.drop_in and start.subject.reference is None and are_added(start):
        claims["bidirectional"] = SUMMED
    claims["reset_after"] = _only(start.subject, "reset_after") or Claim(True, "signature")
    if not claims["layers"].offered:
        claims["dropout"] = Claim(
            False, "signature", IN_EVAL if _takes_dropout(start.subject) else "dropout acts between layers only"
        )
    elif claims["dropout"].offered and not start.subject.drop_in and drops_elsewhere(start):
        claims["dropout"] = Claim(False, "probed", ELSEWHERE)
    return claims


def _steps_of_two_layers(start: Baseline) -> int | None:
    """How many steps come back for STEPS[0], where each layer of a stack makes them fewer, as in a pyramid."""
    build, config = start.subject.build, start.case.config.but(num_layers=2)
    if not isinstance(build, Constructor) or build.reading is None or build.is_cell:
        return None
    module, error = attempt(lambda: build.make(config, torch.float32, torch.device("cpu")).eval())
    return None if error else steps_of_stack(module, config, build.reading.called)


def claims_of_fixed(fixed: Config) -> dict[str, Claim]:
    """Return what follows from the one configuration that an instance has."""
    has = {
        "layers": fixed.num_layers > 1, "bidirectional": fixed.bidirectional, "bias_off": not fixed.bias,
        "dropout": fixed.dropout > 0, "proj": fixed.proj_size > 0, "reset_before": not fixed.reset_after,
        "reset_after": fixed.kind.has(RESET_AFTER) and fixed.reset_after,
    }  # fmt: skip
    return {name: Claim(value, "declared", "" if value else f"this one is {fixed}") for name, value in has.items()}


def _asked(start: Baseline, feature: str) -> Claim:
    argument, changes = ASKED[feature]
    reading = getattr(start.subject.build, "reading", None)
    if argument in start.subject.nature or (reading is not None and reading.arguments is not None):
        return _asked_as_read(start, feature, argument, changes)
    missing = not_in_signature(start.subject, feature)
    if missing is not None:
        return missing
    signature = start.subject.build.signature
    config = start.case.config.but(**changes)
    why = refusal(start, config)
    if why is not None:
        return Claim(False, "signature", f"the constructor refuses {argument}: {why}")
    if signature.takes(argument) == "maybe" and feature in SHAPED and _shapes(start, config) == _shapes(start):
        return Claim(False, "signature", f"{argument} disappears in the constructor's ** without effect")
    return Claim(True, "signature")


def _takes_dropout(subject: Subject) -> bool:
    """Whether the constructor has an argument for dropout, in torch's words or its own."""
    build = subject.build
    if not isinstance(build, Constructor) or build.is_cell:
        return False
    read = None if build.reading is None else build.reading.arguments
    return build.signature.takes("dropout") == "yes" if read is None else "dropout" in read.options


def not_in_signature(subject: Subject, feature: str) -> Claim | None:
    """Return why the constructor cannot be asked for the feature, without calling it; None where it can."""
    argument, build = ASKED[feature][0], subject.build
    if not isinstance(build, Constructor):
        return Claim(False, "signature", "it is not built by a constructor")
    if build.is_cell and feature not in OF_A_CELL:
        return Claim(False, "signature", "a cell is one layer in one direction")
    other_mode = _only(subject, feature)
    if other_mode is not None:
        return other_mode
    if build.signature.takes(argument) == "no":
        return Claim(False, "signature", f"the constructor takes no {argument}")
    if build.signature.takes(argument) == "maybe" and feature == "reset_before":  # torch has no such argument
        return Claim(False, "signature", f"the constructor does not name {argument}")
    return None


def _asked_as_read(start: Baseline, feature: str, argument: str, changes: Mapping[str, Any]) -> Claim:
    """The same of a constructor that has words of its own for its options."""
    reading = start.subject.build.reading
    if argument in start.subject.nature:
        return Claim(bool(start.subject.nature[argument]) != (feature == "bias_off"), "probed", f"it always has {argument}")
    if reading.arguments is None or argument not in reading.arguments.options:
        return Claim(False, "signature", f"the constructor takes no {argument}")
    if feature == "bidirectional" and reading.arguments.head is not None:
        return Claim(False, "signature", f"{OF_A_HEAD} {reading.arguments.head}, whatever {argument} is")
    own, config = reading.arguments.options[argument], start.case.config.but(**changes)
    why = refusal(start, config)
    if why is None and feature == "layers" and "layer" not in own and _is_as_large(start, config):
        return Claim(False, "probed", f"{own} = {config.num_layers} leaves the state as it is, so it is no number of layers")
    return Claim(why is None, "signature", why or "")


def _is_as_large(start: Baseline, config: Config) -> bool:
    """Whether states come back, and as large as in the simplest configuration."""
    seen, error = attempt(lambda: ground(start.subject, start.case.but(config=config), start.forms))
    return error is None and bool(start.state) and [part.shape for part in seen.state] == [part.shape for part in start.state]


def _shapes(start: Baseline, config: Config | None = None) -> list[tuple[int, ...]] | None:
    """Of all parameters, in their order; None where the layer cannot be built."""
    built = partial(start.subject.build, config or start.case.config, torch.float32, torch.device("cpu"))
    layer, error = attempt(built)
    return None if error else [tuple(parameter.shape) for parameter in own_parameters(layer.module).values()]


def _only(subject: Subject, feature: str) -> Claim | None:
    """Not offered, where the feature is one of another mode."""
    option = ONLY.get(feature)
    having = subject.modes if option is None else modes_with(option)
    return None if option is None or {*having} & {*subject.modes} else Claim(False, "signature", only_with(option))


def variations(start: Baseline, claims: Mapping[str, Claim]) -> list[Config]:
    """The simplest configuration, and each feature of the constructor that is offered, by itself."""
    simplest = start.case.config
    if start.subject.fixed is not None:
        return [simplest]
    return [simplest, *(simplest.but(**changes) for feature, (_, changes) in ASKED.items() if claims[feature].offered)]


def layout_claims(start: Baseline) -> dict[str, Claim]:
    """Which of the first two axes is time: by an argument, or seen from the states, whose last but one is batch."""
    batched = start.case.batch is not None
    claims = {"batched": Claim(batched, "probed", "" if batched else "only input without a batch axis can be run")}
    fixed, build, config = start.subject.fixed, start.subject.build, start.case.config
    reading = getattr(build, "reading", None)
    takes = build.signature.takes("batch_first") if isinstance(build, Constructor) and not build.is_cell else "no"
    if takes == "yes" and (reading is None or reading.batch_first is None):
        return claims | {
            name: _not_refused(start, config.but(batch_first=value))
            for name, value in (("time_first", False), ("batch_first", True))
        }
    told = fixed is not None and isinstance(getattr(start.layer.module, "batch_first", None), bool)
    told = told or (reading is not None and reading.batch_first is not None)
    major = config.batch_first if told else batched and _reads_batch_first(start)
    why = f"reads input as ({'batch, time' if major else 'time, batch'}, input)"
    claims |= {"time_first": Claim(not major, "probed", why), "batch_first": Claim(major, "probed", why)}
    if takes == "maybe" and not major:
        claims["batch_first"] = _heeded(start)
    return claims


def _heeded(start: Baseline) -> Claim:
    """batch_first=True where only ** takes it: whether the same call gives something else then, be it right or wrong."""
    claim, (x, hx) = _not_refused(start, start.case.config.but(batch_first=True)), start.tensors()
    outputs, error = attempt(lambda: [_as_built(start, value)(x, hx)[0] for value in (False, True)])
    if claim.offered and error is None and torch.equal(*outputs):
        return Claim(False, "signature", "batch_first disappears in the constructor's ** without effect")
    return claim


def _as_built(start: Baseline, batch_first: bool) -> Layer:
    """A layer in eval() with the numbers that its constructor draws."""
    config = start.case.config.but(batch_first=batch_first)
    with seeded(start.case.seed, start.case.device):
        layer: Layer = start.subject.build(config, start.case.torch_dtype, torch.device(start.case.device))
    layer.train(False)
    return layer


def _not_refused(start: Baseline, config: Config) -> Claim:
    why = refusal(start, config)
    return Claim(why is None, "signature", why or "")


def _reads_batch_first(start: Baseline) -> bool:
    """What the subject takes for the batch is the last but one axis of its states."""
    if not start.state:
        return False
    h_n = start.state[0]
    first = BATCH if start.case.config.batch_first else TIME
    return isinstance(h_n, Tensor) and h_n.dim() >= 2 and h_n.shape[-2] == first
