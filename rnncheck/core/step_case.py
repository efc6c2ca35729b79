"""One situation of a function that performs an optimizer's step: the model, the micro-batches, and what it is called with."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import inf, isfinite
from typing import Any, Literal, get_args

from rnncheck.core.case import CaseError, check_device
from rnncheck.core.case_size import check_counts, check_numbers, check_seed
from rnncheck.core.plain_text import quoted
from rnncheck.core.typed import NotTyped, typed

ModelName = Literal["linear", "recurrent"]
OptimizerName = Literal["SGD", "momentum", "Adam", "AdamW"]
Kernels = Literal["loop", "foreach", "fused"]
Reduction = Literal["mean", "sum"]
Precision = Literal["float32", "float64"]
COLUMNS = 8
"""About how many numbers of a batch belong to one row."""


@dataclass(frozen=True)
class StepCase:
    """The micro-batches of one step and the arguments of one call.

    model:     a linear one (least squares), or a recurrent one: embedding, tanh network, head, cross entropy
    sizes:     rows of each micro-batch
    reduction: whether the loss of a micro-batch is the mean or the sum over its rows
    bound:     max_norm, as a multiple of the norm of the whole batch's gradient: the step clips where it is below 1
    optimizer: torch.optim's SGD, SGD with momentum, Adam or AdamW; ``kernels`` says by which of its implementations
    scale:     the loss scale to begin with; None without a scaler
    groups:    parameter groups, 1 or 2
    frozen:    whether the first parameter does not require gradients

    >>> print(StepCase(sizes=(2, 2), scale=1024.0))
    linear model, micro-batches of 2 and 2 rows, max_norm 0.5 of the norm, SGD, loss scale 1024, seed 0
    """

    model: ModelName = "linear"
    sizes: tuple[int, ...] = (2,)
    reduction: Reduction = "mean"
    bound: float = 0.5
    optimizer: OptimizerName = "SGD"
    kernels: Kernels = "loop"
    scale: float | None = None
    groups: int = 1
    frozen: bool = False
    dtype: Precision = "float32"
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("model", ModelName), ("reduction", Reduction), ("optimizer", OptimizerName),
                            ("kernels", Kernels), ("dtype", Precision)):  # fmt: skip
            words = get_args(known)
            self._require(name, getattr(self, name) in words, f"one of {', '.join(words)}")
        self._require("sizes", bool(self.sizes) and all(size >= 1 for size in self.sizes), "at least one size, each at least 1")
        self._require("bound", 0 < self.bound <= inf, "above 0")
        self._require("scale", self.scale is None or (isfinite(self.scale) and self.scale >= 1), "None, or a number of at least 1")
        self._require("groups", self.groups in (1, 2), "1 or 2")

    def _require(self, name: str, good: bool, expected: str) -> None:
        if not good:
            raise CaseError(f"{name} = {quoted(getattr(self, name))}, but should be {expected}")

    @property
    def rows(self) -> int:
        """How many rows the whole batch has."""
        return sum(self.sizes)

    @property
    def numbers(self) -> int:
        """About how many numbers the batch has."""
        return COLUMNS * self.rows

    def features_used(self) -> tuple[str, ...]:
        """The features (rnncheck.core.features.STEP_FEATURES) without which this case cannot be run."""
        used = {
            "accumulation": len(self.sizes) > 1,
            "unequal": len(set(self.sizes)) > 1,
            "scaler": self.scale is not None,
            f"{self.reduction}_losses": True,
        }
        return tuple(feature for feature, needed in used.items() if needed)

    def but(self, **changes: Any) -> "StepCase":
        """The same case with these fields changed."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Every field, by name; JSON types only (no bound at all as the word ``inf``)."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        return data | {"sizes": list(self.sizes), "bound": "inf" if self.bound == inf else self.bound}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "StepCase":
        """The inverse of to_json; raises CaseError on anything that is not a case."""
        try:
            if isinstance(data, Mapping) and data.get("bound") == "inf":
                data = {**data, "bound": inf}
            case = typed(data, cls)
            check_seed(case.seed)
            check_device(case.device)
            check_counts({f"size {size} of micro-batch {place}": size for place, size in enumerate(case.sizes)})
            check_numbers(case.numbers)
            return case
        except NotTyped as error:
            raise CaseError(f"not a case: {error}") from None

    def __str__(self) -> str:
        sizes = " and ".join(map(str, self.sizes))
        rows = "row" if self.sizes == (1,) else "rows"
        words = [f"{self.model} model", f"{'micro-batches' if len(self.sizes) > 1 else 'a batch'} of {sizes} {rows}"]
        words += ["summed losses"] * (self.reduction == "sum")
        words += [
            f"max_norm {self.bound:g} of the norm",
            self.optimizer if self.kernels == "loop" else f"{self.kernels} {self.optimizer}",
        ]
        words += [] if self.scale is None else [f"loss scale {self.scale:g}"]
        words += ["2 parameter groups"] * (self.groups == 2) + ["a frozen parameter"] * self.frozen
        words += [word for word, plain in ((self.dtype, "float32"), (self.device, "cpu")) if word != plain]
        return ", ".join([*words, f"seed {self.seed}"])
