"""Which arguments of a call are a state, lengths or a mask, and which method resets what the object keeps."""

import copy
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from rnncheck.reading.signature import HX, LENGTHS, forward_of, parameters_of

STATE_WORDS = (
    *HX,
    "c", "cx", "c0", "c_0", "cell", "cell_state", "c_prev", "h_prev", "memory", "mem", "carry", "prev", "previous",
    "initial", "hidden_states", "prev_hidden", "last_state", "hiddens", "hprev", "s", "hs", "cs", "h_t", "c_t",
    "last_hidden", "a0", "a_prev",
)  # fmt: skip
RESETS = (
    "reset_state", "reset_states", "reset", "reset_hidden", "reset_hidden_state", "clear_state", "clear", "init_hidden",
    "init_state",
)  # fmt: skip
FORGETS, FORGOTTEN = (
    {"reset", "clear", "init", "begin", "start", "new"},
    {"state", "states", "hidden", "sequence", "episode", "memory"},
)
"""Parts of the name of a method that makes a layer forget: one of each."""

INPUTS = ("input", "inputs", "input_t", "inp")
"""What is an input wherever it stands; an x may be the state beside an input u."""
ROWS = ("batch_size", "batch", "bsz", "bs", "b", "n_batch", "num_envs", "n_envs")
"""What the number of sequences is called."""
NOT_SAID: Mapping[str, Any] = MappingProxyType({})


def parameters(module: Any, how: Mapping[str, Any] = NOT_SAID) -> list[inspect.Parameter]:
    """The parameters of a call beside the input, which is the first one unless it is called by a name."""
    known = [p for p in _known(module) if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    name = how.get("input_name")
    return known[1:] if name is None else [p for p in known if p.name != name]


def input_names(module: Any) -> list[str | None]:
    """The keywords by which the input may have to be given; None where it takes the first place."""
    known = [p for p in _known(module) if p.kind is not p.VAR_KEYWORD]
    if known and known[0].kind is known[0].KEYWORD_ONLY:
        return [known[0].name]
    by_name = [p.name for p in known[1:] if p.kind is p.POSITIONAL_OR_KEYWORD]
    called_so = [p.name for p in known if p.name.lower() in INPUTS and p.name in by_name and p.default is p.empty]
    if called_so and known[0].name.lower() not in (*INPUTS, "x", "xs"):
        return [called_so[0], None]
    after_the_state = len(known) > 1 and is_state_word(known[0].name) and not is_state_word(known[1].name)
    return [None, *by_name[:1]] if after_the_state and known[1].name in by_name else [None]


def later_inputs(module: Any) -> list[str]:
    """The arguments behind the first one that may be the input of a decoder: it returns an output for each of its steps."""
    needed = [p for p in _known(module) if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    others = [p for p in needed if is_state_word(p.name) or is_mask_word(p.name) or is_lengths_word(p.name) or p.name in ROWS]
    return [p.name for p in needed[1:] if p not in others and p.annotation not in (bool, int, float, str)]


def takes_more(module: Any) -> bool:
    """Whether a call takes any number of arguments behind the input."""
    return any(p.kind is p.VAR_POSITIONAL for p in _known(module))


def _known(module: Any) -> list[inspect.Parameter]:
    compiled = isinstance(module, torch.jit.ScriptModule)
    function = forward_of(module) if compiled else module.forward if isinstance(module, nn.Module) else module
    try:
        return parameters_of(function)[int(compiled) :]
    except (TypeError, ValueError):
        return []


def lengths(module: Any) -> tuple[str, str, bool] | None:
    for p in parameters(module):
        if is_lengths_word(p.name):
            return p.name, form_by_type(p), p.default is p.empty
        if is_mask_word(p.name):
            return p.name, "mask", p.default is p.empty
    return None


def form_by_type(parameter: inspect.Parameter) -> str:
    """Return whether an argument takes numbers as a list, as far as its annotation says so, or as a tensor."""
    return "list" if "list" in str(parameter.annotation).lower() else "tensor"


def is_lengths_word(name: str) -> bool:
    """Whether an argument of this name holds the lengths of sequences."""
    return name in LENGTHS or "len" in name.lower() or "_per_" in name.lower()


def reset(module: Any) -> tuple[str, bool] | None:
    """The method that makes a layer forget which keeps its state itself, and takes none."""
    if state_parameters(module):
        return None
    for name in dict.fromkeys((*RESETS, *own_methods(module, FORGETS, FORGOTTEN))):
        method = getattr(module, name, None)
        if callable(method):
            try:
                taken = inspect.signature(method).parameters.values()
            except (TypeError, ValueError):
                continue
            needed = [p for p in taken if p.default is p.empty]
            sized = needed or [p for p in taken if p.name.lower() in ROWS][:1]
            if len(sized) <= 1 and not _only_returns(module, name, len(sized)):
                return name, len(sized) == 1
    return None


def own_methods(module: Any, *parts: set[str]) -> list[str]:
    """Return the methods of the module's author, or of its class, whose names have a part in each of these sets."""
    kind = module if isinstance(module, type) else type(module)
    own = [one for one in kind.__mro__ if not one.__module__.startswith("torch.") and one is not object]
    names = dict.fromkeys(name for one in own for name, method in vars(one).items() if inspect.isfunction(method))
    return [name for name in names if all(some & set(name.lower().split("_")) for some in parts)]


def _only_returns(module: Any, name: str, sized: int) -> bool:
    """Whether a method returns a state for others to take, and leaves nothing in the layer; a copy is asked."""
    other = copy.deepcopy(module)
    before = dict(vars(other))
    try:
        made = getattr(other, name)(*[2][:sized])
    except Exception:  # it is called otherwise, or fails: the catalog is to find that
        return False
    after = vars(other)
    return (
        made is not None
        and made is not other
        and before.keys() == after.keys()
        and all(after[key] is before[key] for key in before)
    )


def kept(module: Any, called: Callable[[Any], Any]) -> str | None:
    """Return the one attribute that a call moves in a layer that takes no state or way to forget it; ``called`` calls a copy."""
    if state_parameters(module) or reset(module) or takes_more(module) or not isinstance(module, nn.Module):
        return None
    called(other := copy.deepcopy(module))
    before, after = ({**vars(one), **one._buffers} for one in (module, other))
    moved = [name for name, value in after.items() if name in before and is_another(before[name], value)]
    return moved[0] if len(moved) == 1 else None


def is_another(before: Any, after: Any) -> bool:
    """Return whether an attribute that was nothing, or a tensor, is another tensor now, or a tuple of them."""
    if isinstance(after, tuple | list):
        return before is None or (isinstance(before, tuple | list) and any(map(is_another, before, after)))
    if not isinstance(after, torch.Tensor) or after.dim() < 2:
        return False
    return before is None or (isinstance(before, torch.Tensor) and (before.shape != after.shape or not torch.equal(before, after)))


def asks(module: Any) -> tuple[str, ...]:
    """Return the flags of a call by which its state comes back, such as ``return_state=False``."""
    return tuple(p.name for p in parameters(module) if p.default is False and "return" in p.name and is_state_word(p.name))


def state_parameters(module: Any, how: Mapping[str, Any] = NOT_SAID, all_of_them: bool = False) -> list[inspect.Parameter]:
    """Which arguments may take a state: those that are called so, or else must be given, except those that are taken already.

    Where none is called so, those with the default None may take one, too; all_of_them: wherever another one is called so as well
    """
    taken = [name for name, *_ in how.get("beside", ())] + [*(how.get("lengths") or ())][:1]
    beside = [p for p in parameters(module, how) if p.name not in taken]
    rest = [
        p for p in beside
        if p.name not in LENGTHS and not is_mask_word(p.name) and "len" not in p.name.lower() and type(p.default) is not bool
    ]  # fmt: skip
    named = [p for p in rest if is_state_word(p.name)]
    unsaid = [p for p in rest if p.default is p.empty and p.annotation not in (bool, int, float, str)]
    optional = [p for p in rest if p.default is None] if all_of_them or not named else []
    return [p for p in rest if p in named or p in unsaid or p in optional]


def named_or_needed(module: Any, how: Mapping[str, Any]) -> set[str | None]:
    """Return the names of the arguments that are called a state or must be given; None stands for one without a name."""
    return {None, *(p.name for p in parameters(module, how) if is_state_word(p.name) or p.default is p.empty)}


def is_state_word(name: str) -> bool:
    """Whether an argument of this name is a state."""
    return name.lower().strip("_") in STATE_WORDS or "state" in name.lower() or "hidden" in name.lower()


def is_mask_word(name: str) -> bool:
    """Whether an argument of this name says which steps are padding."""
    parts = name.lower().split("_")
    return "valid" in parts or (("mask" in parts or "masks" in parts) and not any(part.startswith("drop") for part in parts))
