"""The few functions at the head of a script of calls."""

from collections.abc import Sequence
from typing import Any

from rnncheck.catalog.tools.fresh_memory import FreshMemory
from rnncheck.core.case import Case
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
_IN_FORM = '''

def in_form(layer, form):
    """The layer, computing in one of the forms that its class declares."""
    own = layer{path}
    said = own.rnncheck_forms[form]
    function = getattr(type(own), said) if isinstance(said, str) else said
    own.forward = lambda *given, **named: function(own, *given, **named)
    return layer

'''
_LAYER = '''

class Layer:
    """A module, called with (input, hx): hx is None or a tuple of states, and so is what comes back."""

    def __init__(self, module):
        self.module = module

    def __call__(self, x, hx):
        more = () if hx is None else (hx if len(hx) > 1 else hx[0],)
        output, state = {call}
        return output, state if isinstance(state, tuple) else (state,)

    def parameters(self, names={names}):
        torch_names = {{own: name for name, own in names.items()}}
        return {{torch_names.get(name, name): p for name, p in self.module.named_parameters()}}


'''
_WITH_LENGTHS = """self.padded(x, *(more or (None,))) if hasattr(x, "batch_sizes") else self.module(x, *more)

    def padded(self, x, hx):
        batch_first, utils = {batch_first}, torch.nn.utils.rnn
        padded, lengths = utils.pad_packed_sequence(x, batch_first)
        output, state = self.module(padded, hx, lengths)
        output = utils.pack_padded_sequence(output, lengths, batch_first, x.sorted_indices is None)"""


def helpers(case: Case, names: dict[str, str], events: Sequence[Any], beside: bool) -> str:
    """``load``, ``call``, ``near``, ``same``; ``Layer``, ``FreshMemory`` and deeds where they are needed.

    beside: whether lengths are given beside padded input
    """
    paths = [event.form[1] for event in events if event.form is not None and event.form[0].forward is not None]
    asked = _IN_FORM.format(path=paths[0]) if paths else ""
    shown = [part for event in events if event.is_deed for part in event.arguments if callable(part)]
    if shown:
        call = _WITH_LENGTHS.format(batch_first=case.config.batch_first) if beside else "self.module(x, *more)"
        asked += _LAYER.format(call=call, names=names)
    if any(around.startswith("FreshMemory(") for event in events for around in event.around):
        shown.append(FreshMemory)
        asked += "" if asked else "\n\n"
    return f"\n{LOAD.format(names=names)}{_CALL}{asked}{sources_of(shown)}\n\n\ntorch.manual_seed({case.seed})\n"


def renamed(layer: Layer) -> dict[str, str]:
    """Return torch's parameter names -> the module's own, where they differ; none where there is no module."""
    own = {} if layer.module is None else {id(p): name for name, p in layer.module.named_parameters()}
    return {key: own[id(p)] for key, p in layer.parameters().items() if own.get(id(p), key) != key}
