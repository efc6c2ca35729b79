"""What the properties of the family pair do with a model besides calling it, as scripts show it."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.running.pair_results import copied, numbers, tensors

MOMENT = 0.02
"""Seconds after which a result is looked at once more, and"""
THREAD = 0.2
"""for which a thread that the model has started is waited for."""


def changed_inputs(model: nn.Module, inputs: Sequence[Any]) -> str:
    """Return which inputs a call has changed, in words."""
    before = [value.clone() if isinstance(value, Tensor) else value for value in inputs]
    model(*inputs)
    pairs = [(place, a, b) for place, (a, b) in enumerate(zip(inputs, before, strict=True)) if isinstance(a, Tensor)]
    return "; ".join(f"input {place}" for place, a, b in pairs if a.shape != b.shape or not torch.equal(a, b)) or "nothing"


def shared_memory(model: nn.Module, inputs: Sequence[Any], other_inputs: Sequence[Any]) -> str:
    """Return what the results of a call share with something else, in words, and which of them the next call changes."""
    result = model(*inputs)
    before, earlier = numbers(result), tensors(result)
    others = {f"input {place}": value for place, value in enumerate(inputs) if isinstance(value, Tensor)} | model.state_dict()
    found = [f"{path} lies in {name}" for path, value in earlier.items() for name, other in others.items() if lies_in(value, other)]
    later = tensors(model(*other_inputs))
    again = [path for path in earlier if path in later and lies_in(later[path], earlier[path])]
    found += [f"{path} of the next call lies in that of this one" for path in again]
    changed = [path for path, value in before.items() if not torch.equal(copied(earlier[path]).nan_to_num(), value.nan_to_num())]
    return "; ".join([*found, *(f"{path} changes at the next call" for path in changed)]) or "nothing"


def lies_in(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors share memory."""
    return one.numel() > 0 and one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def settled(model: nn.Module, inputs: Sequence[Any]) -> dict[str, dict[str, Tensor]]:
    """Return the numbers of a call's results at once, and when everything that was started has had its time."""
    threads = set(threading.enumerate())
    result = model(*inputs)
    at_once = numbers(result)
    for thread in set(threading.enumerate()) - threads:
        thread.join(THREAD)
    time.sleep(MOMENT)
    if any(value.is_cuda for value in tensors(result).values()):
        torch.cuda.synchronize()
    return {"at once": at_once, "later": numbers(result)}
