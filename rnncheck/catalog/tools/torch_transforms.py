"""A layer behind one of torch's transformations, called as the layer is."""

import copy
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.backend.silence import errors_alone
from rnncheck.catalog.tools.onnx_functions import read_once
from rnncheck.core.plain_text import plain
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.backward import as_leaves, named_arguments, named_results, trained, weighted_sum
from rnncheck.running.trial import NotReached, SubjectError, Trial, subject_boundary

State = tuple[Tensor, ...] | None
Call = Callable[[Any, State], tuple[Any, tuple[Tensor, ...]]]


class Called(nn.Module):
    """A layer as a module that is called with (input, state): what the transformations are given."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.of_layer = layer.module
        self.layer = layer
        self.train(layer.module.training)

    def forward(self, input: Any, state: State = None) -> tuple[Any, tuple[Tensor, ...]]:
        """The layer's own call."""
        return self.layer(input, state)


@dataclass
class Through:
    """A layer whose calls take another way, which has a name; the parameters are the layer's own."""

    layer: Layer
    name: str
    call: Call

    @property
    def module(self) -> Any:
        """The layer's module."""
        return self.layer.module

    @property
    def sides(self) -> tuple[str, str]:
        """Where its results are from, and those of the layer itself, in words."""
        return f"from {self.name}", "from the layer itself"

    def __call__(self, input: Any, hx: State) -> tuple[Any, tuple[Tensor, ...]]:
        with subject_boundary("calling", self.name):
            return self.call(input, hx)

    def parameters(self) -> dict[str, Tensor]:
        """The layer's own."""
        return self.layer.parameters()

    def load(self, parameters: Mapping[str, Tensor]) -> None:
        """Into the layer."""
        self.layer.load(parameters)

    def train(self, mode: bool) -> None:
        """Of the layer."""
        self.layer.train(mode)


def called_functionally(
    layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor], parameters: dict[str, Tensor], own_names: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """Return results and gradients of torch.func.functional_call with these parameters in place of the layer's own."""
    with torch.enable_grad():
        x, hx = as_leaves(x, hx)
        new = {name: parameter.detach().requires_grad_() for name, parameter in parameters.items()}
        given = {f"of_layer.{own_names[name]}": parameter for name, parameter in new.items()}
        results = named_results(torch.func.functional_call(Called(layer), given, (x, hx)))
        wanted = {**named_arguments(x, hx), **new}
        found = torch.autograd.grad(weighted_sum(results, weights), list(wanted.values()), allow_unused=True)
    return {
        "results": {name: part.detach() for name, part in results.items()},
        "gradients": dict(zip(wanted, found, strict=True)),
    }


def compiled_calls(
    layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor], others: tuple[tuple[Any, Any], ...]
) -> dict[str, Any]:
    """Return results and gradients through torch.compile, run without generated code, and the results of other calls."""
    torch._dynamo.reset()  # or shapes of earlier cases count towards the limit beyond which nothing is compiled
    try:
        compiled = torch.compile(Called(layer), backend="aot_eager", dynamic=False)
        with torch.enable_grad():
            x, hx = as_leaves(x, hx)
            wanted = {**named_arguments(x, hx), **trained(layer)}
            results = named_results(compiled(x, hx))
            found = torch.autograd.grad(weighted_sum(results, weights), list(wanted.values()), allow_unused=True)
        more = [named_results(compiled(*other)) for other in others]
    finally:
        torch._dynamo.reset()
    return {
        "results": {name: part.detach() for name, part in results.items()},
        "gradients": dict(zip(wanted, found, strict=True)),
        "others": [{name: part.detach() for name, part in one.items()} for one in more],
    }


class Scriptable(nn.Module):
    """A module around one whose forward is overloaded, as that of torch's layers is: TorchScript calls such a one from inside."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.train(module.training)


class WithoutState(Scriptable):
    """It is called without a state."""

    def forward(self, input: Tensor):
        return self.module(input)


class WithState(Scriptable):
    """It is called with h."""

    def forward(self, input: Tensor, hx: Tensor):
        return self.module(input, hx)


class WithTwoStates(Scriptable):
    """It is called with h and c."""

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor]):
        return self.module(input, hx)


def scripted_calls(layer: Layer, calls: tuple[tuple[Any, Any], ...]) -> list[dict[str, Tensor]]:
    """Return the results of these calls through torch.jit.script, whose optimizer goes by the calls before."""
    twin, module = copy.copy(layer), torch.jit.script(layer.module)
    if not hasattr(module, "forward"):
        around = (WithoutState, WithState, WithTwoStates)[len(calls[0][1] or ())]
        module = torch.jit.script(around(layer.module))
    twin.module = module  # type: ignore[misc]
    with torch.jit.optimized_execution(True):
        return [{name: part.detach() for name, part in named_results(twin(*given)).items()} for given in calls]


def exported_calls(layer: Layer, calls: tuple[tuple[Any, Any], ...], others: tuple[tuple[Any, Any], ...]) -> dict[str, Any]:
    """Return the results of these calls through torch.export, and of others, which may be refused."""
    program = torch.export.export(Called(layer), calls[0], strict=False).module()
    seen: dict[str, Any] = {"results": [], "others": [], "refused": None}
    for given in calls:
        seen["results"].append({name: part.detach() for name, part in named_results(program(*given)).items()})
    try:
        for given in others:
            seen["others"].append({name: part.detach() for name, part in named_results(program(*given)).items()})
    except Exception as error:  # its sizes are those of the first call
        seen["refused"] = str(error)
    return seen


def as_onnx(trial: Trial, layer: Layer) -> Through:
    """The layer exported to ONNX and run by ONNX Runtime; raises NotReached where these are not installed.

    Raises NotClaimed where torch's exporter lacks an operator, or ONNX Runtime has complex numbers to compute with.
    """
    runtime = _installed("onnxruntime")
    for package in ("onnx", "onnxscript"):
        _installed(package)
    try:
        with subject_boundary("running torch.onnx.export"), errors_alone("torch.onnx"), read_once():
            program = torch.onnx.export(Called(layer), trial.lay_out(trial.x, trial.state), dynamo=True, verbose=False)
    except SubjectError as error:
        if (operator := _without_onnx(error.cause)) is not None:
            raise NotClaimed(f"torch.onnx has no function for {operator}") from error
        raise
    assert program is not None
    try:
        with subject_boundary("loading its ONNX model"):
            session = runtime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    except SubjectError as error:
        if "tensor(complex" in plain(error):
            raise NotClaimed("ONNX Runtime does not compute with complex numbers") from error
        raise
    names = [given.name for given in session.get_inputs()]

    def call(input: Tensor, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        values = [tensor.detach().cpu().numpy() for tensor in (input, *(state or ()))]
        output, *rest = session.run(None, dict(zip(names, values, strict=True)))
        return torch.from_numpy(output), tuple(map(torch.from_numpy, rest))

    return Through(layer, "ONNX Runtime", call)


def _without_onnx(error: BaseException | None) -> str | None:
    """Return the operator that the exporter has no function for; None where it failed otherwise."""
    while error is not None:
        if found := re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", plain(error)):
            return found[1]
        error = error.__cause__
    return None


def _installed(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise NotReached(f"{package} is not installed") from None
