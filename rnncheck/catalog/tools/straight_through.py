"""Whether a layer rounds values and passes gradients through them on purpose, as a straight-through estimator does."""

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from rnncheck.running.trial import Trial

STEPS = frozenset({"bernoulli", "ceil", "fix", "floor", "heaviside", "round", "sgn", "sign", "trunc"})
"""Functions with a slope of 0 wherever they have one."""
COMPARISONS = frozenset({"eq", "ge", "greater", "greater_equal", "gt", "le", "less", "less_equal", "lt", "ne"})
CHOOSE = frozenset({
    "__and__", "__invert__", "__or__", "all", "any", "bitwise_and", "bitwise_not", "bitwise_or", "logical_and", "logical_not",
    "logical_or", "masked_fill", "masked_fill_", "masked_select", "where",
})  # fmt: skip
"""What a comparison chooses with; in anything else it is a number, 0 or 1."""


class _Watch(TorchFunctionMode):
    """Notes inside whether values that require gradients are rounded, and whether gradients are cut where they would flow.

    rounded: as part of the graph; passed: where no graph is recorded, as in the forward of an autograd.Function
    cut: by detach() or .data
    """

    def __init__(self) -> None:
        super().__init__()
        self.rounded = self.passed = self.cut = False
        self.compared: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The call as it is."""
        result = func(*args, **(kwargs or {}))
        name, given = getattr(func, "__name__", ""), [value for value in args if isinstance(value, Tensor)]
        if any(value.requires_grad for value in given):
            self.cut |= name == "detach" or getattr(func, "__self__", None) is Tensor.data
            if name.rstrip("_") in COMPARISONS and isinstance(result, Tensor):
                self.compared.append(result)
            elif name.rstrip("_") in STEPS:
                self._round()
        if name not in CHOOSE and any(value is one for value in given for one in self.compared):
            self._round()
        return result

    def _round(self) -> None:
        self.rounded = True
        self.passed |= not torch.is_grad_enabled()


def passes_straight_through(trial: Trial) -> bool:
    """Return whether a call rounds what gradients flow into, and cuts gradients or hides the rounding from autograd."""
    x, state = trial.x.detach().clone().requires_grad_(), trial.map_state(lambda part: part.detach().clone().requires_grad_())
    with torch.enable_grad(), _Watch() as watch:
        trial.call_on(trial.layer, x, state)
    return watch.passed or (watch.rounded and watch.cut)
