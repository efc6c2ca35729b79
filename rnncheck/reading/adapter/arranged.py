"""A layer behind torch's call whose own parameters are put together from torch's at each call. Scripts show this file as it is."""

from typing import Any

import torch

from rnncheck.reading.adapter.adapted import Adapted, begins_with


class Arranged(Adapted):
    """The same with parameters under torch's names, from which the layer's own are put together at each call.

    pieces: for each of the layer's own parameters, in their order, of one layer and direction after the other:
            (transposed, rows of blocks), a block being (kind, gate, sign, shift): hidden_size rows of the gate in weight_ih
            ("ih"), weight_hh ("hh"), bias_ih ("bi"), bias_hh ("bh") or the sum of both biases ("b"), times sign, plus shift
    suffixes: the suffixes of torch's names, such as "_l0"
    """

    def __init__(self, layer: Any, hidden_size: int, pieces: Any, suffixes: Any, **how: Any) -> None:
        super().__init__(None, hidden_size, **how)
        self.inner = (layer,)  # in a tuple, so that its parameters are no parameters of this module
        self.first = begins_with(layer, self.how["kept"])
        self.own = [name for name, _ in layer.named_parameters()]
        self.pieces, self.suffixes = pieces, suffixes
        values = [p.detach() for _, p in layer.named_parameters()]
        for number, suffix in enumerate(suffixes):
            mine = values[number * len(pieces) : (number + 1) * len(pieces)]
            for kind, value in taken_apart(mine, pieces, hidden_size).items():
                self.register_parameter(kind + suffix, torch.nn.Parameter(value))

    def wrapped(self) -> Any:
        return self.inner[0]

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        for layer in self.inner:
            layer._apply(fn)
        return super()._apply(fn, recurse)

    def train(self, mode: bool = True) -> "Arranged":
        super().train(mode)
        for layer in self.inner:
            layer.train(mode and not self.how["eval"])
        return self

    def answer(self, given: list[Any], named: dict[str, Any]) -> Any:
        composed: list[torch.Tensor] = []
        for suffix in self.suffixes:
            get = {kind: getattr(self, kind + suffix, None) for kind in KINDS.values()}
            composed += [put_together(piece, get, self.hidden_size) for piece in self.pieces]
        before = None if _only_followed(composed) else [value.detach().clone() for value in composed]
        result = torch.func.functional_call(self.inner[0], dict(zip(self.own, composed, strict=True)), tuple(given), named)
        if before is not None and not all(map(_same, before, composed)):
            self.written(before, composed)
        return result

    @torch.no_grad()
    def written(self, before: list[torch.Tensor], after: list[torch.Tensor]) -> None:
        """Keep what a call wrote into the layer's own parameters, as the layer itself would."""
        for number, suffix in enumerate(self.suffixes):
            mine = slice(number * len(self.pieces), (number + 1) * len(self.pieces))
            was, now = (taken_apart(values[mine], self.pieces, self.hidden_size) for values in (before, after))
            for kind, value in now.items():
                if not _same(was[kind], value):
                    getattr(self, kind + suffix).add_(value - was[kind])


class ArrangedWithLengths(Arranged):
    """The same for a layer that takes the lengths of padded sequences, or a mask, beside them."""

    def forward(self, input: torch.Tensor, hx: Any = None, lengths: Any = None) -> tuple[torch.Tensor, Any]:
        return self.called(input, hx, lengths)


def _only_followed(values: list[torch.Tensor]) -> bool:
    """Whether a call is recorded, transformed or measured here, so that what it writes is not to be looked at."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or not all(isinstance(value, torch.Tensor) for value in values):
        return True
    followed = torch._C._functorch.peek_interpreter_stack() is not None or torch._C._len_torch_dispatch_stack() > 0
    return followed or any(value.is_meta or (value.is_cuda and torch.cuda.is_current_stream_capturing()) for value in values)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether nothing was written into a parameter, be it NaN."""
    return torch.equal(one, other) or bool(((one == other) | (one.isnan() & other.isnan())).all())


KINDS = {"ih": "weight_ih", "hh": "weight_hh", "bi": "bias_ih", "bh": "bias_hh"}


def put_together(piece: Any, torchs: dict[str, Any], hidden: int) -> torch.Tensor:
    """One of the layer's own parameters, from torch's."""
    transposed, rows = piece

    def block(kind: str, gate: int, sign: int, shift: float) -> torch.Tensor:
        whole = torchs["bias_ih"] + torchs["bias_hh"] if kind == "b" else torchs[KINDS[kind]]
        return sign * whole[gate * hidden : (gate + 1) * hidden] + shift

    value = torch.cat([torch.cat([block(*one) for one in row], -1) for row in rows])
    return value.T if transposed else value


def taken_apart(values: list[torch.Tensor], pieces: Any, hidden: int) -> dict[str, torch.Tensor]:
    """torch's parameters, from the layer's own; a bias that torch has twice is put into bias_ih."""
    found: dict[str, dict[int, torch.Tensor]] = {}
    for value, (transposed, rows) in zip(values, pieces, strict=True):
        value = value.T if transposed else value
        size = hidden
        for number, row in enumerate(rows):
            start = 0
            for kind, gate, sign, shift in row:
                width = hidden if kind == "hh" or len(row) == 1 and value.dim() == 1 else value.shape[-1] - hidden * (len(row) - 1)
                part = value[number * size : (number + 1) * size]
                part = part[:, start : start + width] if value.dim() == 2 else part
                found.setdefault(KINDS.get(kind, "bias_ih"), {})[gate] = sign * (part - shift)
                start += width
    if "bias_ih" in found or "bias_hh" in found:
        for one, other in (("bias_ih", "bias_hh"), ("bias_hh", "bias_ih")):
            found.setdefault(one, {gate: torch.zeros_like(part) for gate, part in found.get(other, {}).items()})
    return {kind: torch.cat([blocks[gate] for gate in sorted(blocks)]) for kind, blocks in found.items()}
