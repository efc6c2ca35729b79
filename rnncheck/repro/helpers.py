"""The few functions at the head of a script of calls."""

import inspect

from rnncheck.catalog.tools.fresh_memory import FRESH, FreshMemory, filled
from rnncheck.core.case import Case
from rnncheck.core.subject import Layer

LOAD = '''def load(layer, parameters, names={names}):
    """Set the parameters, given under torch's names."""
    own = dict(layer.named_parameters())
    with torch.no_grad():
        for key, value in parameters.items():
            parameter = own.get(names.get(key, key))
            assert parameter is not None, f"there is no parameter {{key}}"
            assert parameter.shape == value.shape, f"{{key}} has shape {{tuple(parameter.shape)}}, not {{tuple(value.shape)}}"
            parameter.copy_(value)
'''
_CALL = '''

def call(layer, x, hx, grad, *lengths):
    """(output, (h_n,)) or (output, (h_n, c_n))"""
    with torch.set_grad_enabled(grad):
        output, state = layer(x) if hx is None and not lengths else layer(x, hx, *lengths)
    return output, state if isinstance(state, tuple) else (state,)


def near(actual, expected, allowed):
    return actual == expected or actual != actual and expected != expected or abs(actual - expected) <= allowed


def same(seen, was):
    """Check that the shape is the same and, up to another machine's rounding, the numbers."""
    if seen.shape != was.shape or seen.dtype != was.dtype or not was.is_floating_point():
        return seen.shape == was.shape and seen.dtype == was.dtype and bool((seen == was).all())
    return torch.allclose(seen, was, rtol=16 * torch.finfo(was.dtype).eps, atol=1e-30, equal_nan=True)
'''
_GRADIENTS = '''

def gradients(layer, x, state, lengths, cotangents, form, names={names}):
    """Of sum(result * cotangent), by "input", "h_0", "c_0" and parameter; x is (time, batch, input)."""
    leaves = dict(zip(("input", "h_0", "c_0"), (x, *(state or ()))))
    leaves = {{name: leaf.clone().requires_grad_() for name, leaf in leaves.items()}}
    given, *state = leaves.values()
    if lengths is not None:
        given = torch.nn.utils.rnn.pack_padded_sequence(given, tensor(lengths), enforce_sorted=form == "sorted")
    elif form == "unbatched":
        given, state = given[:, 0], [part[:, 0] for part in state]
    elif form == "batch_first":
        given = given.transpose(0, 1)
    output, state = call(layer, given, {hx}, True)
    if lengths is not None:
        output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, total_length=len(x))
    elif form == "unbatched":
        output, state = output.unsqueeze(1), [part.unsqueeze(1) for part in state]
    elif form == "batch_first":
        output = output.transpose(0, 1)
    loss = sum((part * cotangent).sum() for part, cotangent in zip((output, *state), cotangents))
    torch_names = {{own: name for name, own in names.items()}}
    leaves |= {{torch_names.get(name, name): p for name, p in layer.named_parameters()}}
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return dict(zip(leaves, found))
'''


FRESH_MEMORY = f"""

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

FRESH = {sorted(FRESH)}


{inspect.getsource(FreshMemory)}

{inspect.getsource(filled)}"""


def helpers(case: Case, names: dict[str, str], kinds: list[str]) -> str:
    """``load``, ``call``, ``near``, ``same``; ``gradients`` and ``FreshMemory`` where they are needed."""
    hx = "(tuple(state) or None)" if case.config.has_cell else "(state[0] if state else None)"
    asked = _GRADIENTS.format(names=names, hx=hx) if "gradients" in kinds else ""
    asked += FRESH_MEMORY if any(kind.startswith("FreshMemory(") for kind in kinds) else ""
    return f"\n{LOAD.format(names=names)}{_CALL}{asked}\n\ntorch.manual_seed({case.seed})\n"


def renamed(layer: Layer) -> dict[str, str]:
    """Return torch's parameter names -> the module's own, where they differ; none where there is no module."""
    own = {} if layer.module is None else {id(p): name for name, p in layer.module.named_parameters()}
    return {key: own[id(p)] for key, p in layer.parameters().items() if own.get(id(p), key) != key}
