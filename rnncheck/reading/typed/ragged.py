"""How a typed recurrence gets the lengths of its sequences: as lengths, a mask, or offsets of sequences laid end to end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rnncheck.core.named import names_in
from rnncheck.errors import UsageError
from rnncheck.reading.signature import LENGTHS
from rnncheck.reading.typed.annotations import Leaf
from rnncheck.reading.typed.markers import Lengths, Mask, Offsets

OFFSETS = ("cu_seqlens", "offsets", "cu_seq_lens", "cu_lens", "seq_offsets")
MASKS = ("mask", "attention_mask", "seq_mask", "sequence_mask", "valid", "valid_mask")
PADDING_MASKS = ("padding_mask", "key_padding_mask", "pad_mask")
"""What these arguments are called; a padding mask is True where there is nothing."""


@dataclass(frozen=True)
class Ragged:
    """The argument that says the lengths, in which form, and which axes it has.

    form:   "lengths", "mask" or "offsets"
    rows:   the axis of states that counts sequences, where that is not the batch
    needed: whether it must be given
    """

    name: str
    form: str
    axes: tuple[str, ...]
    padding: str = "right"
    inverted: bool = False
    real: bool = False
    rows: str | None = None
    needed: bool = False

    def for_wrapper(self) -> dict[str, Any]:
        """The same as literals."""
        return {"name": self.name, "form": self.form, "axes": " ".join(self.axes), "left": self.padding == "left",
                "inverted": self.inverted, "real": self.real, "needed": self.needed}  # fmt: skip


def ragged_of(name: str, arguments: Sequence[Any], function: str) -> Ragged | None:
    """Return what one argument says of lengths, by what is said beside its type, or by its name; None where it says nothing.

    arguments: the argument's tensors, all but one of which make it something else; ``name`` is its own
    """
    if len(arguments) != 1:
        return None
    (leaf,) = arguments
    marker = next((one for one in leaf.markers if isinstance(one, Lengths | Mask | Offsets)), None) or _by_name(name, leaf)
    if marker is None:
        _check_whole(name, leaf, function)
        return None
    wanted = 2 if isinstance(marker, Mask) else 1
    if len(leaf.axes) != wanted:
        shape = '"batch time"' if wanted == 2 else '"batch"' if isinstance(marker, Lengths) else '"sequences+1"'
        raise UsageError(f"{function}: {name} has the axes ({' '.join(leaf.axes)}), but should have {shape}")
    if isinstance(marker, Mask):
        return Ragged(name, "mask", leaf.axes, marker.padding, marker.inverted, leaf.floating)
    if isinstance(marker, Offsets):
        return Ragged(name, "offsets", leaf.axes, rows=next(iter(names_in(leaf.axes[0])), None))
    return Ragged(name, "lengths", leaf.axes)


def _check_whole(name: str, leaf: Leaf, function: str) -> None:
    """Raise UsageError where real numbers are called as lengths or offsets."""
    if leaf.floating and len(leaf.axes) == 1 and name in (*LENGTHS, *OFFSETS):
        raise UsageError(
            f'{function}: {name} has real numbers, but should be Int[Tensor, "{leaf.axes[0]}"]; give it another name where it does '
            "not say how long sequences are"
        )


def _by_name(name: str, leaf: Leaf) -> Lengths | Mask | Offsets | None:
    if name in LENGTHS and not leaf.floating:
        return Lengths()
    if name in OFFSETS and not leaf.floating:
        return Offsets()
    return Mask(inverted=name in PADDING_MASKS) if name in (*MASKS, *PADDING_MASKS) else None
