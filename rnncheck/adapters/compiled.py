"""A subject as a compiler leaves it: ``verify(compiled("mine.py:MyLSTM"))`` asks the whole catalog of torch.compile's."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.adapters.probing.feature_calls import inside_another
from rnncheck.adapters.probing.probe import probe
from rnncheck.adapters.probing.settle import declares_all, settled_subject
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.adapters.torch_layers import ModuleLayer, split_result
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim, Subject
from rnncheck.errors import UsageError

OF_THE_SOURCE = ("compile", "export", "script", "onnx", "vmap", "jvp", "functional", "second", "meta", "refusals",
                 "torch_parameters", "torch_init")  # fmt: skip
"""Features of the module that was compiled, and not of what came of it."""


def compiled(target: Any, backend: str = "aot_eager") -> Subject:
    """The target through torch.compile, traced anew for every layer; the backend "inductor" takes seconds a case.

    torch.nn's own layers and their subclasses are run by torch.compile as they are (torch._dynamo.config.allow_rnn).

    >>> compiled(torch.nn.GRU).name
    'torch.compile(torch.nn.GRU)'
    """
    base = _module(target)
    claims = {**base.claims, **dict.fromkeys(OF_THE_SOURCE, Claim(False, "declared", "checked on the layer before it is compiled"))}
    name = f"torch.compile({base.name})"
    return replace(base, name=name, build=Compiled(base.build, backend), claims=claims, source=None)


def exported(target: Any) -> Subject:
    """The target through torch.export, at the sizes of every call; a program for inference, so nothing is trained.

    >>> exported(torch.nn.GRU).offers("training")
    False
    """
    base = _module(target)
    no = Claim(False, "declared", "checked on the layer before it is exported")
    claims = {**base.claims, **dict.fromkeys((*OF_THE_SOURCE, "training", "packed", "autocast", "autocast_half"), no)}
    return replace(base, name=f"torch.export({base.name})", build=Exported(base.build), claims=claims, source=None)


def _module(target: Any) -> Subject:
    (named,) = subjects(target)
    base = named if declares_all(named) else settled_subject(named, probe(named))
    if not base.offers("module"):
        raise UsageError(f"{base.name}: is no torch.nn.Module, but should be one to be compiled or exported")
    return base


@dataclass(frozen=True)
class Compiled:
    """Builds what ``build`` builds, and compiles it."""

    build: Callable[[Config, torch.dtype, torch.device], ModuleLayer]
    backend: str

    def __call__(self, config: Config, dtype: torch.dtype, device: torch.device) -> ModuleLayer:
        layer = self.build(config, dtype, device)
        torch._dynamo.reset()  # or earlier layers count towards the limit beyond which nothing is compiled
        names = layer.names and {name: f"_orig_mod.{mine}" for name, mine in layer.names.items()}
        return replace(layer, module=torch.compile(layer.module, backend=self.backend, dynamic=False), names=names)


@dataclass(frozen=True)
class Exported:
    """Builds what ``build`` builds, to be exported at each call."""

    build: Callable[[Config, torch.dtype, torch.device], ModuleLayer]

    def __call__(self, config: Config, dtype: torch.dtype, device: torch.device) -> "ExportedLayer":
        return ExportedLayer(**vars(self.build(config, dtype, device)))


class ExportedLayer(ModuleLayer):
    """A module that is exported with the very arguments of a call, and the program called with them."""

    def __call__(self, input: Tensor | PackedSequence, hx: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...]]:
        state = () if hx is None else (hx if self.takes_tuple else hx[0],)
        arguments = (input, *state)
        program = torch.export.export(inside_another(self.module, arguments), arguments, strict=False)
        output, final = program.module()(input, *state)
        return split_result((output, final))
