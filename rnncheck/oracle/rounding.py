"""How an implementation rounds: models of rounding as values with a name.

Sources of the figures
    unit roundoffs      IEEE 754-2019; bfloat16 has 8 significant bits, TF32 reads 11 of an operand
                        (NVIDIA, "TensorFloat-32 in the A100 GPU"), by rounding or, in the tensor core itself, by cutting off.
    accumulation        N. Higham and T. Mary, "A new approach to probabilistic rounding error analysis",
                        SIAM J. Sci. Comput. 41 (2019): errors grow with the square root of the number of terms;
                        P. Blanchard, N. Higham, T. Mary, "A class of fast and accurate summation algorithms", ibid. 42 (2020).
    elementary          SLEEF's u10 functions, which torch uses on CPUs, err by at most 1 ulp; the CUDA C++ Programming
                        Guide, "Mathematical Functions", gives 2 ulp to expf and tanhf and 0 to 2 to a division.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch


@dataclass(frozen=True)
class Rounding:
    """The relative error of each kind of operation, and where numbers of this kind begin and end.

    dtype       of the results
    operand     relative error of rounding an operand (weight, input, initial state) before it is used; 0 if it is taken as it is
    accumulate  unit roundoff of the sums inside a matrix product
    store       unit roundoff of every intermediate value that is kept: pre-activations, gates, products
    cell        unit roundoff of the cell state c that is carried on (h is as `store`)
    function    relative error of sigmoid and tanh, beyond the storing of their value: the standard deviation, half its maximum
    underflow   the absolute error where numbers become too small: flushed to zero, or rounded to a subnormal; in float64
                the root of the smallest number, below which the oracle cannot square an error
    overflow    the largest finite number
    """

    name: str
    dtype: torch.dtype
    operand: float
    accumulate: float
    store: float
    cell: float
    function: float
    underflow: float
    overflow: float

    def but(self, **changes: object) -> "Rounding":
        """The same model with these fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return self.name


def unit_roundoff(dtype: torch.dtype) -> float:
    """Half the distance from 1 to the next number above: 2**-24 for float32.

    >>> unit_roundoff(torch.float32) == 2**-24
    True
    """
    return torch.finfo(dtype).eps / 2


# float32 and bfloat16 subnormals may be flushed to zero; float16 subnormals are always kept, so they only round.
_UNDERFLOW = {torch.float16: 2.0**-25, torch.float64: 2.0**-511}
_DOUBLE = unit_roundoff(torch.float64)
_SINGLE = unit_roundoff(torch.float32)
_TF32 = 2.0**-10  # the operand cut to 10 explicit bits; rounded, it would be half that
_ULPS = {"cpu": 1.0, "cuda": 2.0}  # the largest error of exp and tanh; an ulp is 2 u


def _plain(dtype: torch.dtype, device: str = "cpu") -> Rounding:
    """Everything in dtype; half precisions are accumulated, and their functions evaluated, in float32."""
    unit, inner = unit_roundoff(dtype), min(unit_roundoff(dtype), _SINGLE)
    return Rounding(
        name=str(dtype).removeprefix("torch."),
        dtype=dtype,
        operand=0.0,
        accumulate=inner,
        store=unit,
        cell=unit,
        function=inner * _ULPS.get(device, 2.0),
        underflow=_UNDERFLOW.get(dtype, torch.finfo(dtype).tiny),
        overflow=torch.finfo(dtype).max,
    )


def _autocast(dtype: torch.dtype, device: str = "cpu") -> Rounding:
    plain = _plain(dtype, device)
    return plain.but(name=f"autocast({plain.name})", operand=plain.store)


def _table() -> dict[str, Rounding]:
    single = _plain(torch.float32)
    models = [
        _plain(torch.float64),
        single,
        single.but(name="float32 accumulating in float64", accumulate=_DOUBLE),
        single.but(name="tf32", operand=_TF32, accumulate=2 * _SINGLE),
        _plain(torch.float16),
        _plain(torch.bfloat16),
        _autocast(torch.float16),
        _autocast(torch.bfloat16),
    ]
    return {model.name: model for model in models}


ROUNDINGS: Mapping[str, Rounding] = MappingProxyType(_table())
"""The models a subject may declare, by name, as they are on a CPU."""


def rounding_for(dtype: torch.dtype, device: str = "cpu", *, autocast: torch.dtype | None = None, tf32: bool = False) -> Rounding:
    """The model of a layer whose parameters and input have this dtype, on this kind of device.

    autocast: the dtype that autocast computes in; tf32: float32 products may use TF32.
    Raises ValueError for a dtype without a model.

    >>> rounding_for(torch.float32, tf32=True).name
    'tf32'
    >>> rounding_for(torch.float32, autocast=torch.bfloat16).name
    'autocast(bfloat16)'
    """
    kind = device.split(":")[0]
    wanted = autocast or dtype
    if str(wanted).removeprefix("torch.") not in ROUNDINGS:
        raise ValueError(f"dtype = {wanted}, but should be float64, float32, float16 or bfloat16")
    if autocast is not None and autocast != dtype:
        return _autocast(autocast, kind)
    model = _plain(dtype, kind)
    if tf32 and dtype == torch.float32:
        model = model.but(name="tf32", operand=_TF32, accumulate=2 * _SINGLE)
    return model
