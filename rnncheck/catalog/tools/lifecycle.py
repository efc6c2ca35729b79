"""A layer in the course of its life, and what it should be by now."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FunctionType

import torch
from torch import Tensor, nn

from rnncheck.catalog.tools.lifecycle_deeds import freeze, frozen_parameters, own_parameters, parameter_copies
from rnncheck.core.observation import Observation, both, equal, every, identical
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer
from rnncheck.core.values import Values
from rnncheck.running.trial import Trial


@dataclass
class Life:
    """A layer, and what it should be by now: the case (shapes, hx), its mode, and its dropout. One parameter is frozen."""

    trial: Trial
    layer: Layer
    dropout: float
    training: bool = False
    done: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, trial: Trial) -> "Life":
        """A new layer with moderate parameters and input, in eval, before any call."""
        given = trial.parameters.items()
        moderate = {name: generic(trial, name, p.shape, 0.5 * p.shape[-1] ** -0.5) for name, p in given}
        calm = trial.but(x=generic(trial, "x", trial.x.shape), parameters=moderate, training=False)
        life = cls(calm, calm.build(), trial.config.dropout)
        free = sorted(name for name, p in own_parameters(life.layer).items() if p.requires_grad)
        if len(free) > 1:
            trial.do(freeze, life.layer, free[trial.draw("frozen parameter", 0, len(free) - 1)])
        return life

    @property
    def module(self) -> nn.Module:
        """The layer's module."""
        module: nn.Module = self.layer.module
        return module

    def call(self) -> Observation:
        """A call in the layer's own mode, which leaves the parameters as they are."""
        before = self.parameters()
        self.trial.but(training=self.training).call_on(self.layer, what=self.told())
        return parameters_are(self.parameters(), before, f"after {', '.join(self.done)}")

    def switch(self, training: bool) -> None:
        """train() or eval()."""
        self.training = training
        self.layer.train(training)

    def parameters(self) -> dict[str, Tensor]:
        """What the parameters are now, as copies."""
        found: dict[str, Tensor] = self.trial.look(parameter_copies, self.layer)
        return found

    def agrees(self, parameters: dict[str, Tensor] | None = None) -> Observation:
        """The layer returns in eval what a new one with its parameters does; in train() too, if nothing is dropped.

        Its parameters stay as they are.
        """
        now, past = self.parameters(), ", ".join(self.done)
        twin = self.trial.but(parameters=parameters or now)
        self.layer.train(False)
        seen = agree(twin, twin.run_on(self.layer, self.told()), f"after {past}: ")
        self.layer.train(self.training)
        if self.training and (self.dropout == 0 or self.trial.config.num_layers == 1):
            seen &= agree(twin, twin.run_on(self.layer, self.told()), f"after {past}, in train(): ")
        return seen & parameters_are(self.parameters(), now, f"after {past}, eval(), a call and back")

    def told(self) -> str:
        """Which layer it is, in the words of an error."""
        return f"the layer (done so far: {', '.join(self.done)})"

    def frozen(self) -> list[str]:
        """The parameters that do not require gradients."""
        found: list[str] = self.trial.look(frozen_parameters, self.layer)
        return found


def agree(trial: Trial, run: Run, prefix: str) -> Observation:
    """The run is the trial's own: bit for bit, or else within the budget (which takes longer to compute than both)."""
    exactly = both(run, trial.run, 0.0, prefix)
    return exactly if exactly.holds else trial.same(run, prefix, ("here", "from a new layer"))


def generic(trial: Trial, name: str, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    """Random values of moderate size, whatever the case's own are."""
    return Values("normal", scale).tensor(tuple(shape), trial.case.seed, f"life: {name}").to(trial.x)


def parameters_are(now: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> Observation:
    """The parameters have these values, in the same dtype."""
    dtypes = every(equal(f"dtype of {name} {what}", now[name].dtype, value.dtype) for name, value in expected.items())
    return dtypes & every(identical(f"{name} {what}", now[name], value) for name, value in expected.items())


def has_scripts(layer: Layer) -> bool:
    """Return whether TorchScript has compiled a part of it."""
    module = layer.module
    return isinstance(module, nn.Module) and any(isinstance(part, torch.jit.ScriptModule) for part in module.modules())


def importable(layer: Layer) -> bool:
    """Whether pickle finds the class, and functions that it holds, by name: not so for one defined inside a function."""
    if has_scripts(layer):
        return False  # torch.jit.save is for these
    functions = [value for value in vars(layer.module).values() if isinstance(value, FunctionType)]
    try:
        pickle.dumps((type(layer.module), functions))
    except (pickle.PicklingError, AttributeError):
        return False
    return True
