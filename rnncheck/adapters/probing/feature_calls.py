"""Tiny calls that show whether a subject offers what no signature tells."""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence

from rnncheck.adapters.probing.ground import (
    BATCH,
    FIRST_STATE,
    Baseline,
    NotOffered,
    ground,
    lengths_of,
    reason_not,
    trial_of_ground,
)
from rnncheck.adapters.probing.kernel_calls import kernels_exist
from rnncheck.backend.broken_kernels import FiniteKernels
from rnncheck.backend.silence import silent_export
from rnncheck.core import plain_text
from rnncheck.core.subject import Malformed
from rnncheck.running.trial import SubjectError

TORCHS_OPTIONS = {"num_layers", "bias", "batch_first", "bidirectional"}
"""What a constructor takes that is meant to stand where torch's does."""
REENTRANT = "When use_reentrant=True, torch.utils.checkpoint is incompatible with"
"""What torch says to torch.autograd.grad, by which all gradients are asked for here."""


def unbatched(g: Baseline) -> None:
    """Offered where the output or the state loses an axis, with hx and without, and the first axis is time: else it was misread.

    What replaces torch's layers offers it where it answers at all, though with hx it may raise, and what counts the axes of its
    input tells the two forms apart: a wrong answer is for the catalog to find.
    """
    raised: SubjectError | Malformed | None = None
    for hx in g.forms:
        try:
            seen = ground(g.subject, g.case.but(hx=hx, batch=None), g.forms)
        except (SubjectError, Malformed) as error:
            raised = error
            continue
        dims = [part.dim() for part in (seen.output, *seen.state) if isinstance(part, Tensor)]
        replaces = _replaces_torchs(g)
        own = isinstance(seen.output, Tensor) and (g.subject.flat_states or not replaces)  # its state alone says nothing there
        if dims and 2 not in (dims[:1] if own else dims):
            if replaces:
                return
            raise NotOffered(f"input of 2 axes, hx {hx}, gives output and state of {dims[0]} axes")
        if not replaces and not g.subject.nature.get("counts_axes") and not _along_time(seen):
            raise NotOffered("input of 2 axes: no output changes with another step's input, so its first axis is not read as time")
    if raised is not None:
        raise raised


def _along_time(seen: Baseline) -> bool:
    """Return whether the last step's output changes with the first step's input, or the first one's with the last one's."""
    x, hx = seen.tensors()

    def moves(at: int) -> bool:
        other = x.clone()
        other[at] += 1
        before, now = (seen.layer(given, hx)[0] for given in (x, other))
        return len(before) != len(x) or not torch.equal(before[-1 - at], now[-1 - at])

    with torch.no_grad():
        return len(x) < 2 or moves(0) or moves(-1)


def _replaces_torchs(g: Baseline) -> bool:
    """Whether it is one of torch's layers, or is to be as they are and has their options; a layer of its own is no replacement."""
    if isinstance(g.layer.module, nn.RNN | nn.GRU | nn.LSTM | nn.RNNCellBase):
        return True
    reading = getattr(g.subject.build, "reading", None)
    words = inspect.signature(type(g.layer.module)).parameters if isinstance(g.layer.module, nn.Module) else {}
    return g.subject.drop_in and not (reading is not None and reading.adapts) and TORCHS_OPTIONS <= {*words}


def packed(g: Baseline) -> None:
    """The simplest packed input: sorted lengths; a wrong answer of what replaces torch's is for the catalog to find."""
    for hx in g.forms:
        seen = ground(g.subject, g.case.but(hx=hx, batch=BATCH, lengths=lengths_of(g.case)), g.forms)
        if not isinstance(seen.output, PackedSequence | Tensor) and not _replaces_torchs(g):
            raise NotOffered(f"a {type(seen.output).__name__} is returned for a PackedSequence")
    loud = g.case.but(config=g.case.config.but(num_layers=2, dropout=0.5), training=True, batch=BATCH)
    own = g.subject.fixed is None and not _replaces_torchs(g)  # its dropout may take no packed input, though its layers do
    if own and reason_not(lambda: ground(g.subject, loud, g.forms)) is None:
        ground(g.subject, loud.but(lengths=lengths_of(g.case)), g.forms)


def training(g: Baseline) -> None:
    """A module with parameters is meant to be trained; of anything else, the output must depend on the input."""
    names, anew = (layer.parameters().keys() for layer in (g.layer, trial_of_ground(g.subject, g.case).build()))
    if names != anew:
        raise NotOffered(f"parameters have other names in each layer built: {sorted(names - anew)}, then {sorted(anew - names)}")
    meant = any(p.requires_grad for p in g.layer.parameters().values())
    try:
        f, x = g.function()
        torch.autograd.grad(f(x.requires_grad_()).sum(), x)
    except Exception as error:
        if not meant or REENTRANT in plain_text.plain(error):  # what else fails where training is meant is for the catalog to find
            raise


def float64(g: Baseline) -> None:
    """Where the equations are not known, also that digits beyond float32's have an effect, if the input has any."""
    found = _in_each_form(g, dtype="float64")
    if not g.subject.of_its_own:
        return
    x, hx = found.tensors()
    output, finer, other = (found.layer(scale * x.float().double(), hx)[0] for scale in (1, 1 + 2**-30, 2))
    if torch.equal(output, finer) and not torch.equal(output, other):
        raise NotOffered("it takes and returns float64, but computes with no more digits than float32 has")


def second(g: Baseline) -> None:
    """The derivative of a squared derivative; what is marked ``once_differentiable`` says so in backward() alone."""
    f, x = g.function()
    x = x.detach().requires_grad_()
    (first,) = torch.autograd.grad(f(x).square().sum(), x, create_graph=True)
    penalty = first.square().sum()
    penalty.backward(retain_graph=True)
    torch.autograd.grad(penalty, x)


def jvp(g: Baseline) -> None:
    """With respect to the input, three times: what TorchScript has compiled by then may drop tangents."""
    f, x = g.function()
    for _ in range(3):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x, torch.ones_like(x))
            if forward_ad.unpack_dual(f(dual)).tangent is None:
                raise NotOffered("the output has no tangent, though the input has one")


def vmap(g: Baseline) -> None:
    """Over a new first axis of the input, and of the state beside it, which may be added in place to zeros that have none."""
    f, x = g.function()
    torch.func.vmap(f)(torch.stack([x, x]))
    found = g.run(dtype=str(x.dtype).removeprefix("torch."))
    x, hx = found.tensors()
    if hx is not None:
        torch.func.vmap(lambda x, *state: found.layer(x, state)[0])(*(torch.stack([one, one]) for one in (x, *hx)))


def functional(g: Baseline) -> None:
    """With its own parameters."""
    module, arguments = _module(g)
    torch.func.functional_call(module, dict(module.named_parameters()), arguments)


def parametrized(g: Baseline) -> None:
    """Call a new layer with one of its own parameters parametrized, and do so with each of them in turn.

    A layer that gives its parameters other values in a call, as by torch.func.functional_call, may raise then. It is a new
    layer, since a failure halfway may leave a parametrization behind.
    """
    _, arguments = _module(g)
    module = trial_of_ground(g.subject, g.case).build().module
    for name in [name for name, _ in module.named_parameters()]:
        path, _, own = name.rpartition(".")
        parametrize.register_parametrization(module.get_submodule(path), own, nn.Identity())
        module(*arguments)
        parametrize.remove_parametrizations(module.get_submodule(path), own)


def _in_each_form(g: Baseline, **changes: Any) -> Baseline:
    """Run the case with these changes; raises NotOffered where that fails for the first state that the layer makes itself."""
    found = g.run(**changes)
    if "none" in g.forms and found.case.hx != "none":
        try:
            ground(g.subject, g.case.but(hx="none", **changes), g.forms)
        except SubjectError as error:
            raise NotOffered(f"{FIRST_STATE}: {error}") from error
    return found


def low_precision(g: Baseline, dtype: str) -> None:
    """In this dtype, and that none of the kernels which a case may need is lacking on this processor, or broken."""
    with FiniteKernels() as seen:
        _in_each_form(g, dtype=dtype)
        kernels_exist(trial_of_ground(g.subject, g.case).subject, g.case.but(dtype=dtype))
    if seen.broken is not None:
        raise NotOffered(f"{seen.broken} in {dtype}")


def autocast(g: Baseline, low: torch.dtype = torch.bfloat16) -> None:
    """To one of the dtypes that it casts to, with every kernel that a case may need."""
    with torch.autocast(torch.device(g.case.device).type, low):
        g.run()
    kernels_exist(trial_of_ground(g.subject, g.case).subject, g.case, cast=low)


def meta(g: Baseline) -> None:
    """Built and called on the meta device."""
    _in_each_form(g, device="meta")


def export(g: Baseline) -> None:
    """With example inputs, inside another module and not strictly, as the catalog does: torch 2.6 takes torch's own only so."""
    module, arguments = _module(g)
    with silent_export():
        torch.export.export(inside_another(module, arguments), arguments, strict=False)


def script(g: Baseline) -> None:
    """As a part of another module: torch.nn.LSTM itself can be scripted no other way."""
    module, arguments = _module(g)
    if isinstance(arguments[-1], tuple):
        raise NotOffered("its state must be given, and TorchScript cannot take a pair here")
    torch.jit.script(inside_another(module, arguments))


def inside_another(module: nn.Module, arguments: tuple[Any, ...]) -> nn.Module:
    """Return a module that calls this one with as many arguments, in the same mode."""
    whole = _WithState(module) if len(arguments) > 1 else _Alone(module)
    return whole.train(module.training)


class _Alone(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x):  # TorchScript takes what has no type for a Tensor
        return self.layer(x)


class _WithState(_Alone):
    def forward(self, x, hx):
        return self.layer(x, hx)


def _module(g: Baseline) -> tuple[nn.Module, tuple[Any, ...]]:
    """The module and the arguments of one call."""
    if not isinstance(g.layer.module, nn.Module):
        raise NotOffered("it is not a torch.nn.Module")
    x, hx = g.tensors()
    if hx is None:
        return g.layer.module, (x,)
    return g.layer.module, (x, g.case.config.as_hx(hx))


def refusals(g: Baseline) -> None:
    """An input with a feature too many is refused by a message that names both numbers."""
    size = g.case.config.input_size
    x, hx = g.tensors()
    wider = torch.cat([x, x[..., :1]], dim=-1)
    message = reason_not(lambda: g.layer(wider, hx)) or "accepted"
    if not all(re.search(rf"\b{number}\b", message) for number in (size, size + 1)):
        raise NotOffered(f"an input of {size + 1} features instead of {size} is {message}")


CALLS: Mapping[str, Callable[[Baseline], None]] = {
    "unbatched": unbatched,
    "packed": packed,
    "training": training,
    "float64": float64,
    **{dtype: partial(low_precision, dtype=dtype) for dtype in ("bfloat16", "float16")},
    "second": second,
    "jvp": jvp,
    "vmap": vmap,
    "functional": functional,
    "parametrize": parametrized,
    "autocast": autocast,
    "autocast_half": partial(autocast, low=torch.float16),
    "meta": meta,
    "export": export,
    "script": script,
    "refusals": refusals,
}
"""Features that no signature tells, each with the call that raises where it is not offered."""
