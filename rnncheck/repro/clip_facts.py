"""Scripts about clip functions that no numbers show: what is replaced, what is accepted, what is counted."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.clip_case import ClipCase
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.repro.literal import literal
from rnncheck.running.clip_trial import ClipTrial

_IN_PLACE = """for graph in (False, True):
    before = [p.grad for p in parameters]
    for p in parameters:
        if p.grad is not None:
            p.grad.requires_grad_(graph)
    build(parameters, max_norm)
    assert all(p.grad is g for p, g in zip(parameters, before)), "a parameter's .grad is another object"
    assert all(torch.equal(p, torch.ones_like(p)) and p.requires_grad for p in parameters), "a parameter has changed"
    assert all(g is None or g.grad_fn is None for g in before), "what is done to a gradient that requires gradients is recorded"
"""
_MANY = """given = [p.grad for p in parameters if p.grad is not None]
zeros = [torch.zeros_like(g) for g in given]
padded = [torch.cat([g.new_zeros(max(0, 65_537 - g.numel())), g.flatten()]) for g in given]
parameters = [torch.nn.Parameter(torch.ones_like(g)) for g in [*(zeros * 330)[:330], *padded]]
for parameter, gradient in zip(parameters, [*(zeros * 330)[:330], *padded]):
    parameter.grad = gradient.clone()
build(parameters, float(torch.cat([g.double().flatten() for g in given]).norm()) / 2)
for parameter, gradient in zip(parameters[330:], padded):
    off = (parameter.grad.double() - gradient.double() / 2).abs().max().item()
    largest = gradient.abs().max().item()
    print(f"off by {off:.3g} of {largest:.3g}")
    assert off <= 0.02 * largest, f"a gradient behind 330 others, of 65,537 elements, is off by {off:.3g} of {largest / 2:.3g}"
"""
_LAYOUT = """for parameter in parameters:
    if parameter.grad is not None:  # every second number in memory
        parameter.grad = torch.stack([parameter.grad, torch.zeros_like(parameter.grad)], -1)[..., 0]
whole = torch.cat([p.grad.double().flatten() for p in parameters if p.grad is not None])
bound = float(whole.norm()) / 2
before = [p.grad for p in parameters]
build(parameters, bound)
assert all(p.grad is g for p, g in zip(parameters, before)), "a parameter's .grad is another object"
clipped = torch.cat([p.grad.double().flatten() for p in parameters if p.grad is not None])
few = 64 * max(torch.finfo(p.grad.dtype).eps for p in parameters if p.grad is not None)  # roundoffs
assert torch.allclose(clipped, whole / 2, rtol=few, atol=0), f"{clipped.tolist()}, but should be {(whole / 2).tolist()}"
"""
_USED_UP = """used_up = iter(parameters)
list(used_up)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    try:
        build(used_up, max_norm)
    except Exception as error:
        told.append(error)
assert told, "a generator that is used up is taken for a model without parameters, in silence"
"""
_ZERO = """counted = sum(int(p.grad.count_nonzero()) for p in parameters if p.grad is not None)
try:
    norm = float(build(parameters, max_norm, norm_type=0.0))
except Exception as error:
    print("refused, as it may be:", error)
    norm = counted
assert norm == counted, f"the norm of norm_type 0 is {norm}, but {counted} elements are not 0"
"""
FACTS: Mapping[str, str] = {
    "clip.in_place": _IN_PLACE, "clip.layout": _LAYOUT, "clip.many": _MANY, "clip.used_up": _USED_UP, "clip.zero_norm_type": _ZERO,
}  # fmt: skip


def clip_facts(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the property is not one of these."""
    if prop.id not in FACTS or not isinstance(case, ClipCase):
        return None
    return "\n".join([
        "import warnings\n",
        *parameter_lines(ClipTrial(subject, case).gradients),
        f"max_norm = {literal(case.max_norm)}",
        FACTS[prop.id],
    ])  # fmt: skip


def parameter_lines(gradients: Sequence[Tensor | None]) -> list[str]:
    """``parameters``, with these gradients."""
    shapes = [(3,) if gradient is None else tuple(gradient.shape) for gradient in gradients]
    dtypes = [torch.float32 if gradient is None else gradient.dtype for gradient in gradients]
    ones = ", ".join(f"torch.ones({shape}, dtype={dtype})" for shape, dtype in zip(shapes, dtypes, strict=True))
    return [
        f"parameters = [torch.nn.Parameter(ones) for ones in ({ones},)]",
        f"for parameter, gradient in zip(parameters, ({', '.join(map(literal, gradients))},)):",
        "    parameter.grad = gradient",
    ]
