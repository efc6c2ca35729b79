"""One situation of a function like clip_grad_norm_: the gradients, and what else it is called with."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import inf, isnan, nan, prod
from typing import Any, Literal, get_args

from torch import Tensor

from rnncheck.core.case import DTYPES, CaseError, check_device
from rnncheck.core.case_size import check_counts, check_numbers, check_seed
from rnncheck.core.typed import NotTyped, check_depth, typed
from rnncheck.core.values import Values

WORDS: Mapping[str, float] = {"inf": inf, "-inf": -inf, "nan": nan}
"""JSON has no infinities and no NaN."""
TEXTS = ("passed_as", "device", "dtype", "pattern")
PassedAs = Literal["list", "generator", "tensor", "used_up"]


@dataclass(frozen=True)
class Gradient:
    """One parameter's gradient.

    missing: the parameter has no gradient (None)
    twice:   the parameter is listed twice
    device:  None where it is the case's own
    """

    shape: tuple[int, ...]
    values: Values = field(default_factory=Values)
    dtype: str = "float32"
    device: str | None = None
    missing: bool = False
    twice: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise CaseError(f"dtype = {self.dtype!r}, but should be one of {', '.join(DTYPES)}")

    def to_json(self) -> dict[str, Any]:
        """Every field, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {
            "shape": list(self.shape), "values": self.values.to_json(),
        }  # fmt: skip

    def __str__(self) -> str:
        words = [str(list(self.shape)), self.dtype, *([self.device] if self.device else [])]
        words += [str(self.values)] if str(self.values) != "normal" else []
        words += ["None"] * self.missing + ["listed twice"] * self.twice
        return " ".join(words)


@dataclass(frozen=True)
class ClipCase:
    """The parameters' gradients and the arguments of one call.

    max_norm, norm_type, error_if_nonfinite, foreach: the arguments; foreach None is not passed
    passed_as: the parameters as a list, as a generator, (one parameter only) as the tensor itself, or as a generator
               that is used up already

    >>> print(ClipCase((Gradient((2, 3)), Gradient((4,), Values("ones", 1e30))), max_norm=0.5))
    max_norm 0.5, gradients [2, 3] float32 and [4] float32 ones x 1e+30, seed 0
    """

    gradients: tuple[Gradient, ...]
    max_norm: float = 1.0
    norm_type: float = 2.0
    error_if_nonfinite: bool = False
    foreach: bool | None = None
    passed_as: PassedAs = "list"
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        known = get_args(PassedAs)
        if self.passed_as not in known:
            raise CaseError(f"passed_as = {self.passed_as!r}, but should be one of {', '.join(known)}")
        if self.passed_as == "tensor" and (len(self.gradients) != 1 or self.gradients[0].twice):
            raise CaseError("passed_as = 'tensor', but should be 'list' or 'generator' unless there is just one")

    @property
    def dtype(self) -> str:
        """The dtype of the gradients, or ``mixed``."""
        dtypes = {gradient.dtype for gradient in self.gradients}
        return dtypes.pop() if len(dtypes) == 1 else "mixed"

    @property
    def numbers(self) -> int:
        """How many numbers the gradients have."""
        return sum(prod(gradient.shape) for gradient in self.gradients)

    def tensors(self) -> list[Tensor | None]:
        """The gradients, rounded to their dtypes, on their devices; None where one is missing."""
        return [self._tensor(place, gradient) for place, gradient in enumerate(self.gradients)]

    def _tensor(self, place: int, gradient: Gradient) -> Tensor | None:
        if gradient.missing:
            return None
        values = gradient.values.tensor(gradient.shape, self.seed, f"gradient {place}")
        return values.to(DTYPES[gradient.dtype]).to(gradient.device or self.device)

    def features_used(self) -> tuple[str, ...]:
        """The features (rnncheck.core.features.CLIP_FEATURES) without which this case cannot be run."""
        used = {
            "norm_type": self.norm_type != 2.0,
            "error_if_nonfinite": self.error_if_nonfinite,
            "foreach": self.foreach is not None,
            "generator": self.passed_as in ("generator", "used_up"),
            "single_tensor": self.passed_as == "tensor",
        }
        return tuple(feature for feature, needed in used.items() if needed)

    def but(self, **changes: Any) -> "ClipCase":
        """The same case with these fields changed."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Every field, by name; JSON types only (an infinite or undefined number as a word)."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        numbers = {name: _to_word(data[name]) for name in ("max_norm", "norm_type")}
        gradients = [gradient.to_json() for gradient in self.gradients]
        for values in (gradient["values"] for gradient in gradients):
            values["overrides"] = [[place, _to_word(value)] for place, value in values["overrides"]]
        return {**data, **numbers, "gradients": gradients}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ClipCase":
        """The inverse of to_json; raises CaseError on anything that is not a case."""
        try:
            check_depth(data)
            case = typed(_numbers(data), cls)
            check_seed(case.seed)
            for device in (case.device, *(gradient.device for gradient in case.gradients if gradient.device is not None)):
                check_device(device)
            for place, gradient in enumerate(case.gradients):
                check_counts({f"size {size} of gradient {place}": size for size in gradient.shape})
            check_numbers(case.numbers)
            return case
        except NotTyped as error:
            raise CaseError(f"not a case: {error}") from None

    def __str__(self) -> str:
        words = [f"max_norm {self.max_norm:g}", *([f"norm_type {self.norm_type:g}"] if self.norm_type != 2.0 else [])]
        words += ["error_if_nonfinite"] * self.error_if_nonfinite
        words += [] if self.foreach is None else [f"foreach {self.foreach}"]
        words += [] if self.passed_as == "list" else [f"passed as {self.passed_as}"]
        words += [f"gradients {' and '.join(map(str, self.gradients)) or 'none at all'}"]
        words += [] if self.device == "cpu" else [self.device]
        return ", ".join([*words, f"seed {self.seed}"])


def _to_word(value: float) -> float | str:
    """JSON has no infinities and no NaN."""
    return value if -inf < value < inf else str(value)


def _from_word(value: Any) -> Any:
    """The inverse of _to_word; always the same NaN, so that equal cases are equal. What is no number stays as it is."""
    if isinstance(value, str) and value in WORDS:
        return WORDS[value]
    return nan if isinstance(value, float) and isnan(value) else value


def _numbers(data: Any) -> Any:
    """The data of a case with every word that stands for a number as that number."""
    if isinstance(data, list | tuple):
        return [_numbers(part) for part in data]
    if isinstance(data, Mapping):
        return {name: value if name in TEXTS else _numbers(value) for name, value in data.items()}
    return _from_word(data)
