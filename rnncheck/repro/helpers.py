"""The few functions at the head of a script of calls: those that its lines use."""

import re
from collections.abc import Sequence
from typing import Any

from rnncheck.catalog.tools.fresh_memory import FreshMemory
from rnncheck.core.subject import Layer
from rnncheck.repro.sources import sources_of

LOAD = '''def load(layer, parameters, names={names}):
    """Set the parameters, given under torch's names."""
    own = dict(layer.named_parameters())
    with torch.no_grad():
        for key, value in parameters.items():
            parameter = own.get(names.get(key, key))
            assert parameter is not None, f"there is no parameter {{key}}"
            assert parameter.shape == value.shape, f"{{key}} has shape {{tuple(parameter.shape)}}, not {{tuple(value.shape)}}"
            parameter.copy_(value)'''
CALL = '''def call(layer, x, hx, grad, *lengths):
    """(output, (h_n,)) or (output, (h_n, c_n))"""
    with torch.set_grad_enabled(grad):
        output, state = layer(x) if hx is None and not lengths else layer(x, hx, *lengths)
    return output, state if isinstance(state, tuple) else (state,)'''
NEAR = """def near(actual, expected, allowed):
    return actual == expected or actual != actual and expected != expected or abs(actual - expected) <= allowed"""
SAME = '''def same(seen, was):
    """Check that the shape is the same and, up to another machine's rounding, the numbers."""
    if seen.shape != was.shape or seen.dtype != was.dtype or not was.is_floating_point():
        return seen.shape == was.shape and seen.dtype == was.dtype and bool((seen == was).all())
    return torch.allclose(seen, was, rtol=16 * torch.finfo(was.dtype).eps, atol=1e-30, equal_nan=True)'''
IN_FORM = '''def in_form(layer, form):
    """The layer, computing in one of the forms that its class declares."""
    own = layer{path}
    said = own.rnncheck_forms[form]
    function = getattr(type(own), said) if isinstance(said, str) else said
    own.forward = lambda *given, **named: function(own, *given, **named)
    return layer

'''
LAYER = '''class Layer:
    """A module, called with (input, hx): hx is None or a tuple of states, and so is what comes back."""

    def __init__(self, module):
        self.module = module

    def __call__(self, x, hx):
        more = () if hx is None else (hx if len(hx) > 1 else hx[0],)
        output, state = {call}
        return output, state if isinstance(state, tuple) else (state,)

    def train(self, mode):
        self.module.train(mode)

    def parameters(self, names={names}):
        torch_names = {{own: name for name, own in names.items()}}
        return {{torch_names.get(name, name): p for name, p in self.module.named_parameters()}}'''
_WITH_LENGTHS = """self.padded(x, *(more or (None,))) if hasattr(x, "batch_sizes") else self.module(x, *more)

    def padded(self, x, hx):
        batch_first, utils = {batch_first}, torch.nn.utils.rnn
        padded, lengths = utils.pad_packed_sequence(x, batch_first)
        output, state = self.module(padded, hx, lengths)
        output = utils.pack_padded_sequence(output, lengths, batch_first, x.sorted_indices is None)"""


def helpers(case: Any, names: dict[str, str], events: Sequence[Any], beside: bool, lines: Sequence[str]) -> str:
    """Return the functions that these lines call, deeds among them, and set the seed of what is built.

    beside: whether lengths are given beside padded input
    """
    inside = _WITH_LENGTHS.format(batch_first=case.config.batch_first) if beside else "self.module(x, *more)"
    paths = [event.form[1] for event in events if event.form is not None and event.form[0].forward is not None]
    plain = {
        "load": LOAD.format(names=names), "call": CALL, "near": NEAR, "same": SAME, "Layer": LAYER.format(call=inside, names=names),
        "in_form": IN_FORM.format(path=paths[0]) if paths else "",
    }  # fmt: skip
    deeds = {part.__name__: part for event in events if event.is_deed for part in event.arguments if callable(part)}
    text = "\n".join(lines)
    used = set(re.findall(r"\b(\w+)\(", text))
    texts = [text for name, text in plain.items() if name in used]
    shown = [
        *(deed for name, deed in deeds.items() if re.search(rf"\b{name}\b", text)),
        *([FreshMemory] if "FreshMemory" in used else []),
    ]
    seed = f"torch.manual_seed({case.seed})\n" if any(event.kind == "build" for event in events) else ""
    return "\n" + "\n\n\n".join([*texts, *([sources_of(shown)] if shown else []), seed])


def renamed(layer: Layer) -> dict[str, str]:
    """Return torch's parameter names -> the module's own, where they differ; none where there is no module."""
    own = {} if layer.module is None else {id(p): name for name, p in layer.module.named_parameters()}
    return {key: own[id(p)] for key, p in layer.parameters().items() if own.get(id(p), key) != key}
