"""One situation of a model that is to agree with a reference: sizes, weights, values, precision."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any, Literal, get_args

from rnncheck.core.case import CaseError, check_device
from rnncheck.core.case_size import check_counts, check_numbers, check_seed
from rnncheck.core.plain_text import quoted
from rnncheck.core.typed import NotTyped, typed

Weights = Literal["default", "large", "long"]
PairDtype = Literal["float32", "float64", "bfloat16", "float16"]


@dataclass(frozen=True)
class PairCase:
    """The constructor's arguments, the inputs and the weights of one call of both models.

    small:    whether the constructor's arguments are made small, or are those of get_init_inputs
    rows:     length of the batch axis; None as the inputs have it
    steps:    length of the time axis; None as the inputs have it
    weights:  as drawn, three times as large, or with gates that forget slowly
    scale:    by which floating point inputs are multiplied
    training: train() or eval()
    grad:     whether gradients are recorded while the models run

    >>> print(PairCase(rows=3, scale=10.0))
    small sizes, 3 rows, input x 10, seed 0
    """

    small: bool = True
    rows: int | None = None
    steps: int | None = None
    weights: Weights = "default"
    scale: float = 1.0
    training: bool = False
    grad: bool = False
    dtype: PairDtype = "float32"
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("weights", Weights), ("dtype", PairDtype)):
            self._require(name, getattr(self, name) in get_args(known), f"one of {', '.join(get_args(known))}")
        for name in ("rows", "steps"):
            size = getattr(self, name)
            self._require(name, size is None or size >= 1, "None, or at least 1")
        self._require("scale", isfinite(self.scale) and self.scale > 0, "a number above 0")

    def _require(self, name: str, good: bool, expected: str) -> None:
        if not good:
            raise CaseError(f"{name} = {quoted(getattr(self, name))}, but should be {expected}")

    @property
    def numbers(self) -> int:
        """How many numbers the inputs have at least; the sizes of the models are the reference's own."""
        return (self.rows or 1) * (self.steps or 1)

    def features_used(self) -> tuple[str, ...]:
        """The features (rnncheck.core.features.PAIR_FEATURES) without which this case cannot be run."""
        used = {
            "small": self.small,
            "given": not self.small,
            "rows": self.rows is not None,
            "steps": self.steps is not None,
            "forgets_slowly": self.weights == "long",
            "pair_training": self.training,
            f"pair_{self.dtype}": True,
        }
        return tuple(feature for feature, needed in used.items() if needed)

    def but(self, **changes: Any) -> "PairCase":
        """The same case with these fields changed."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Every field, by name; JSON types only."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PairCase":
        """The inverse of to_json; raises CaseError on anything that is not a case."""
        try:
            case = typed(data, cls)
            check_seed(case.seed)
            check_device(case.device)
            check_counts({"rows": case.rows, "steps": case.steps})
            check_numbers(case.numbers)
            return case
        except NotTyped as error:
            raise CaseError(f"not a case: {error}") from None

    def __str__(self) -> str:
        words = ["small sizes" if self.small else "sizes as given"]
        sizes = (("row", self.rows), ("step", self.steps))
        words += [f"{size} {name}{'s' * (size != 1)}" for name, size in sizes if size is not None]
        words += [] if self.weights == "default" else [f"{self.weights} weights"]
        words += [] if self.scale == 1.0 else [f"input x {self.scale:g}"]
        words += ["train"] * self.training + ["grad"] * self.grad
        words += [word for word, plain in ((self.dtype, "float32"), (self.device, "cpu")) if word != plain]
        return ", ".join([*words, f"seed {self.seed}"])
