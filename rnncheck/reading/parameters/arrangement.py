"""How a layer's own parameters hold torch's: cut into gates by their shapes, and told apart by the numbers that come out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck import diagnosis
from rnncheck.core.config import Config, Mode
from rnncheck.core.kinds import kind_of, kinds_of
from rnncheck.reading.adapter.arranged import taken_apart
from rnncheck.reading.calls.time_limit import is_over

CLOSE = 1e-6
"""Float64 runs of one formula are closer than this, those of different formulas are not."""

FAR = 10.0
"""An order of the gates is believed of a layer that agrees in no order, where it is nearer than torch's by this factor."""
FIRST_STEPS = 1
"""Enough to rule out most changes."""

Block = tuple[str, int, int, float]
Piece = tuple[bool, tuple[tuple[Block, ...], ...]]


@dataclass(frozen=True)
class Arrangement:
    """pieces: for each of the layer's own parameters what it is made of (rnncheck.reading.adapter.arranged.Arranged).

    gates: the gates in the order in which the layer holds them, by torch's letters
    error: how far the layer is from the equations under this arrangement, for one run with its own parameters
    change: the one change under which they would agree, as the end of "they agree if …"
    """

    mode: Mode
    reset_after: bool
    pieces: tuple[Piece, ...]
    gates: str
    bias: bool
    error: float
    first: str
    change: str | None = None

    @property
    def exact(self) -> bool:
        """Whether the layer computes just the equations of its mode."""
        return self.error < CLOSE

    def words(self) -> str:
        """The arrangement in a few words."""
        return f"{self.first}, gates {' '.join(self.gates)}"


@dataclass(frozen=True)
class _Form:
    """One parameter by its shape: which blocks stand side by side in a row ("ih", "hh" or a bias), and how many rows of gates."""

    sides: tuple[str, ...]
    gates: int
    transposed: bool = False


Way = tuple[tuple[Piece, ...], str, bool, str]
"""(pieces, gates in their order, reset_after, in words)"""


def arrangements(own: Mapping[str, Tensor], mode: Mode, sizes: tuple[int, int]) -> Iterator[Way]:
    """Return the ways in which these parameters of one layer and direction may hold torch's, each once."""
    seen = set[tuple[tuple[Piece, ...], bool]]()
    for way in _all_arrangements(own, mode, sizes):
        pieces, _, reset_after, _ = way
        if (pieces, reset_after) not in seen:
            seen.add((pieces, reset_after))
            yield way


def _all_arrangements(own: Mapping[str, Tensor], mode: Mode, sizes: tuple[int, int]) -> Iterator[Way]:
    """Yield them, those again that two conventions have in common, as where no matrix has the state beside the input."""
    gates = kind_of(mode).gates
    for transposed, x_first in product((False, True), (True, False)):
        forms = [_form(tensor, sizes, transposed, x_first) for tensor in own.values()]
        known = [form for form in forms if form is not None]
        if len(known) < len(forms) or not _complete(known, len(gates)):
            continue
        for biases, order in product(_biases(list(own), known, len(gates)), permutations(gates)):
            for reset_after, flipped, shift in _variants(mode, biases):
                pieces = _pieces(known, order, mode, biases, flipped, shift)
                exchanged = ", z exchanged with 1 - z" if flipped else ""
                yield pieces, "".join(order), reset_after, _words(list(own), known) + exchanged


def _form(tensor: Tensor, sizes: tuple[int, int], transposed: bool, x_first: bool) -> _Form | None:
    inputs, hidden = sizes
    if tensor.dim() == 1 and tensor.shape[0] % hidden == 0:
        return _Form(("bias",), tensor.shape[0] // hidden)
    if tensor.dim() != 2:
        return None
    both = ("ih", "hh") if x_first else ("hh", "ih")
    rows, columns = tensor.shape[::-1] if transposed else tensor.shape
    sides = {inputs: ("ih",), hidden: ("hh",), inputs + hidden: both}.get(columns)
    return _Form(sides, rows // hidden, transposed) if sides is not None and rows % hidden == 0 and rows else None


def _complete(forms: list[_Form], gates: int) -> bool:
    """Whether each gate has a block for the input and one for the state."""
    return all(sum(form.gates for form in forms if side in form.sides) == gates for side in ("ih", "hh"))


def _biases(names: list[str], forms: list[_Form], gates: int) -> Iterator[list[str]]:
    """What each bias may be: of the input's side, of the state's, or both in one; nothing where that makes no layer."""
    count = sum(form.gates for form in forms if form.sides == ("bias",))
    if count not in (0, gates, 2 * gates):
        return
    weights = [(name.rpartition(".")[0], form.sides) for name, form in zip(names, forms, strict=True) if form.sides != ("bias",)]
    sides = {prefix: form for prefix, form in weights if prefix and [other for other, _ in weights].count(prefix) == 1}
    kinds, seen = [], 0
    for name, form in zip(names, forms, strict=True):
        if form.sides != ("bias",):
            kinds.append("")
            continue
        beside = sides.get(name.rpartition(".")[0]) if "." in name else None
        if count == gates:
            kinds.append("b")
        elif beside in (("ih",), ("hh",)):
            kinds.append({"ih": "bi", "hh": "bh"}[beside[0]])
        else:
            kinds.append("bi" if seen < gates else "bh")
        seen += form.gates
    turns = iter(("bi", "bh") * len(kinds))
    for found in (kinds, [next(turns) if kind else "" for kind in kinds] if count == 2 * gates else []):
        halves = [sum(f.gates for f, k in zip(forms, found, strict=False) if k == kind) for kind in ("bi", "bh", "b")]
        if found and halves in ([0, 0, 0], [gates, gates, 0], [0, 0, gates]):
            yield found


def _variants(mode: Mode, biases: list[str]) -> Iterator[tuple[bool, bool, float]]:
    """(reset_after, whether z is 1 - z, what is added to the forget gate's bias)"""
    for kind in kinds_of(mode):
        if not (kind.beside_state and "b" in biases):
            shifts = (0.0, -1.0) if kind.often_shifted and any(biases) else (0.0,)
            exchanged = (False, True) if kind.often_exchanged else (False,)
            yield from product((bool(kind.settings.get("reset_after", True)),), exchanged, shifts)


def _pieces(forms: list[_Form], order: tuple[str, ...], mode: Mode, biases: list[str], flipped: bool,
            shift: float) -> tuple[Piece, ...]:  # fmt: skip
    """Blocks in the order in which the layer holds them; each side, and each kind of bias, counts its gates by itself."""
    held = kind_of(mode)
    counts: dict[str, int] = {}
    pieces: list[Piece] = []
    shifted = "bi" if "bi" in biases else "b"
    for form, bias in zip(forms, biases, strict=True):
        rows = []
        for _ in range(form.gates):
            row: list[Block] = []
            for side in form.sides:
                kind = bias if side == "bias" else side
                letter = order[counts.get(kind, 0)]
                counts[kind] = counts.get(kind, 0) + 1
                added = shift if letter == held.often_shifted and kind == shifted else 0.0
                row.append((kind, held.gates.index(letter), -1 if flipped and letter == held.often_exchanged else 1, added))
            rows.append(tuple(row))
        pieces.append((form.transposed, tuple(rows)))
    return tuple(pieces)


def _words(names: list[str], forms: list[_Form]) -> str:
    name, form = next((n, f) for n, f in zip(names, forms, strict=True) if f.sides != ("bias",))
    blocks = " | ".join(f"W_{side}" for side in form.sides)
    each = "" if form.gates > 1 or len(forms) < 3 else ", one matrix per gate"
    return f"{name} = [{blocks}]{' transposed' if form.transposed else ''}{each}"


def best_arrangement(module: Any, run: Any, config: Config, x: Tensor, modes: tuple[Mode, ...]) -> Arrangement | None:
    """Return the arrangement under which the module is nearest to the equations of one of these modes; None where none fits.

    It is None, too, where the time for a reading is over: the report tells that nothing is compared with the equations.

    run: calls the module on x (time, batch, input), float64, and returns its output and final h as torch's layers do
    """
    if not isinstance(module, nn.Module):
        return None
    found, ways = _ways({name: p.detach() for name, p in module.named_parameters()}, config, modes), list[_Trial]()
    output, seen = run(x), list[tuple[float, _Trial]]()
    for way in found:
        if is_over():
            return None
        ways.append(way)
        seen.append((_distance(way.asked(x), output), way))
        if seen[-1][0] < CLOSE:
            return way.at(seen[-1][0])
    if not seen:
        return None
    return _with_one_change(ways, x, output) or _nearest(seen)


@dataclass(frozen=True)
class _Trial:
    """One way to arrange a layer's own parameters, and torch's parameters as they are then."""

    config: Config
    way: Way
    parameters: Mapping[str, Tensor]

    @property
    def in_order(self) -> bool:
        """Whether the gates are in torch's order."""
        return self.way[1] == self.config.gates

    def asked(self, x: Tensor) -> Any:
        """What torch's layer is asked."""
        return diagnosis.asked_of(self.config, self.parameters, x, None, None, None)

    def at(self, error: float, change: str | None = None) -> Arrangement:
        """The arrangement that it is."""
        pieces, gates, reset_after, words = self.way
        return Arrangement(self.config.mode, reset_after, pieces, gates, self.config.bias, error, words, change)


def _ways(own: Mapping[str, Tensor], config: Config, modes: tuple[Mode, ...]) -> Iterator[_Trial]:
    for mode in modes:
        for way in arrangements(own, mode, (config.input_size, config.hidden_size)):
            torchs = taken_apart(list(own.values()), way[0], config.hidden_size)
            asked = config.but(mode=mode, batch_first=False, reset_after=way[2], bias="bias_ih" in torchs)
            yield _Trial(asked, way, {f"{kind}_l0": value for kind, value in torchs.items()})


def _distance(asked: Any, output: Tensor) -> float:
    truth = asked.solve().output
    return float((output - truth).abs().max()) if output.shape == truth.shape else float("inf")


def _nearest(seen: list[tuple[float, _Trial]]) -> Arrangement:
    """Return the nearest arrangement, where it is nearer by far than any in torch's order of gates; else the nearest of these."""
    usual = [one for one in seen if one[1].in_order]
    (error, best), (other, torchs) = (min(some or seen, key=lambda one: one[0]) for some in (seen, usual))
    return best.at(error) if FAR * error < other else torchs.at(other)


def _with_one_change(ways: list[_Trial], x: Tensor, output: Tensor) -> Arrangement | None:
    """Return the arrangement under which one known mistake explains all of the output, gates in torch's order first."""
    for trial in sorted(ways, key=lambda trial: not trial.in_order):
        first, whole = trial.asked(x[:FIRST_STEPS]), trial.asked(x)
        for mistake in diagnosis.in_the_cell(trial.config):
            if is_over():
                return None
            if _distance(mistake.change(first), output[:FIRST_STEPS]) < CLOSE:
                error = _distance(mistake.change(whole), output)
                if error < CLOSE:
                    return trial.at(_distance(whole, output), mistake.name)
    return None


def randomised(module: nn.Module) -> nn.Module:
    """Move all parameters away from zeros, ones and identities, which hide what they multiply."""
    stream = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in module.parameters():
            if p.is_floating_point():
                p.copy_(torch.randn(p.shape, generator=stream, dtype=torch.float64) * 0.5)
    return module
