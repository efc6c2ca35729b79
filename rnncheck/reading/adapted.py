"""A layer that is called its own way, behind torch's call. Scripts show this file as it is, so it needs torch alone."""

import sys
from typing import Any

import torch

HOW: dict[str, Any] = {
    "input": "sequence",  # or "channels first", or "step": a cell
    "batch_first": False,  # (batch, time, features)
    "needed": False,  # the state must be given
    "input_name": None,  # the keyword for the input, where it takes no place
    "given": [(None, 0)],  # the arguments that take the state: (keyword or None, structure of tensor numbers)
    "tensors": [("batch", -1)],  # the axes of each tensor of the state; -k is k * hidden_size features, "complex" two parts
    "order": None,  # the places of h, then those of c, among the parts of hidden_size features; None: all are h
    "output": [],  # the path to the output in the result
    "states": [],  # the path to each tensor of the state in the result; None: none comes back
    "last": False,  # only the output of the last step comes back
    "listed": False,  # the output is a list of steps
    "turned": False,  # the output is (time, batch, features), though the input is (batch, time, features)
    "reverse": False,  # it reads a sequence from its end
    "features": None,  # how many features the output has, where they are others than hidden_size
    "lengths": None,  # (keyword, form, whether it must be given); a form is "tensor", "list", "mask", "float mask", "padding mask"
    "others": {},  # further arguments of each call
    "beside": [],  # further arguments that must be given: (keyword, shape, dtype, what it is filled with)
    "reset": None,  # (method that makes the layer forget, whether it takes the batch size), called before each call
    "kept": None,  # an attribute of the layer that keeps the state: before each call it is as the constructor left it
    "eval": False,  # the layer draws random numbers of its own in training, so it stays in eval()
    "ids": False,  # the layer looks vectors up for token ids: it is given vectors
}
"""How a layer is called, and what comes back; what a reading does not say is as it stands here."""


class Adapted(torch.nn.Module):
    """Call ``layer`` as ``how`` says, and return what torch's layers return.

    input: (time, batch, input_size), or (batch, time, input_size) if batch_first; unbatched without batch
    hx:    (layers * directions, batch, hidden_size), a pair of them for a layer with h and c
    """

    def __init__(self, layer: Any, hidden_size: int, **how: Any) -> None:
        super().__init__()
        self.layer, self.hidden_size, self.how = layer, hidden_size, {**HOW, **how}
        self.first = (getattr(layer, self.how["kept"]),) if self.how["kept"] and layer is not None else ()
        if self.how["ids"]:
            for name, module in list(layer.named_modules()):
                if isinstance(module, torch.nn.Embedding):
                    layer.set_submodule(name, torch.nn.Identity())

    def train(self, mode: bool = True) -> "Adapted":
        super().train(mode)
        if self.how["eval"] and isinstance(self.layer, torch.nn.Module):
            self.layer.eval()
        return self

    def forward(self, input: torch.Tensor, hx: Any = None) -> tuple[torch.Tensor, Any]:
        return self.called(input, hx, None)

    def called(self, input: torch.Tensor, hx: Any, lengths: Any) -> tuple[torch.Tensor, Any]:
        """(output, state) as torch's layers return them."""
        how, time = self.how, int(self.how["batch_first"] and input.dim() == 3)
        self.begin(input)
        if how["input"] == "step":
            return self.stepped(input, hx)
        if how["last"]:
            results = []
            for t in range(input.shape[time]):
                self.begin(input)
                until = (input.narrow(time, 0, t + 1), hx, None) if lengths is None else (input, hx, lengths.clamp(max=t + 1))
                results.append(self.result(*until))
            outputs = [at(result, how["output"]) for result in results]
            if lengths is not None:  # only the last output of a sequence comes back, so nothing follows it
                outputs = [output * (t < lengths).to(output)[:, None] for t, output in enumerate(outputs)]
            return self.filled(torch.stack(outputs, time)), self.final(results[-1])
        result = self.result(input.flip(time) if how["reverse"] else input, hx, lengths)
        output = at(result, how["output"])
        output = torch.stack(list(output), time) if how["listed"] else output
        output = output.transpose(-1, -2) if how["input"] == "channels first" else output
        output = output.transpose(0, 1) if how["turned"] and output.dim() == 3 else output
        return self.filled(output.flip(time) if how["reverse"] else output), self.final(result)

    def begin(self, input: torch.Tensor) -> None:
        """Make a layer forget that keeps its state itself."""
        if self.how["reset"]:
            name, sized = self.how["reset"]
            getattr(self.wrapped(), name)(*[input.shape[0 if self.how["batch_first"] else -2]][:sized])
        for value in self.first:
            setattr(self.wrapped(), self.how["kept"], value.to(input) if isinstance(value, torch.Tensor) else value)

    def wrapped(self) -> Any:
        """The layer itself."""
        return self.layer

    def filled(self, output: torch.Tensor) -> torch.Tensor:
        """The output with hidden_size features: zeros for those that it lacks, without those that it has beyond."""
        lacking = 0 if self.how["features"] is None else self.hidden_size - output.shape[-1]
        return torch.nn.functional.pad(output, (0, lacking)) if lacking else output

    def stepped(self, input: torch.Tensor, hx: Any) -> tuple[torch.Tensor, Any]:
        """Call a cell once a step."""
        if input.dim() not in (2, 3) or len(input) == 0:
            raise ValueError(f"input is {tuple(input.shape)}, but should have 3 axes, or 2 unbatched, and 1 step or more")
        outputs = []
        for step in input:
            result = self.result(step, hx, None)
            hx = self.final(result)
            outputs.append(at(result, self.how["output"]))
        return self.filled(torch.stack(outputs)), hx

    def result(self, input: torch.Tensor, hx: Any, lengths: Any) -> Any:
        """What the layer itself returns."""
        how, rows = self.how, input.shape[0 if self.how["batch_first"] else -2]
        given, named = [input.transpose(-1, -2) if how["input"] == "channels first" else input], dict(how["others"])
        named |= {
            keyword: filled(shape, kind, value, input, rows, self.hidden_size) for keyword, shape, kind, value in how["beside"]
        }
        named |= {how["input_name"]: given.pop()} if how["input_name"] else {}
        if hx is not None:
            tensors = self.own_state(hx if isinstance(hx, tuple) else (hx,))
            for keyword, structure in how["given"]:
                value = rebuilt(structure, tensors, self.wrapped())
                if keyword is None:
                    given.append(value)
                else:
                    named[keyword] = value
        if how["lengths"] and (lengths is not None or how["lengths"][2]):
            steps = input.shape[int(how["batch_first"])]
            lengths = torch.full((rows,), steps) if lengths is None else lengths
            named[how["lengths"][0]] = said(lengths, steps, how, input)
        return self.answer(given, named)

    def answer(self, given: list[Any], named: dict[str, Any]) -> Any:
        """Call the layer."""
        return self.layer(*given, **named)

    def own_state(self, hx: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        """The tensors of the layer's own state."""
        parts = [part for tensor in hx for part in tensor]
        places = self.how["order"] or range(len(parts))
        parts = [parts[list(places).index(place)] for place in range(len(parts))]
        tensors = []
        for axes in self.how["tensors"]:
            sizes = [2 if a == "complex" else -a * self.hidden_size if a < 0 else a for a in axes if a != "batch"]
            number = torch.Size(sizes).numel() // self.hidden_size
            mine, parts = torch.stack(parts[:number], -2), parts[number:]  # (batch, number, hidden_size)
            if mine.dim() == 2:  # unbatched
                tensors.append(mine.reshape(sizes))
            else:
                tensors.append(mine.reshape(len(mine), *sizes).movedim(0, list(axes).index("batch")))
            tensors[-1] = torch.view_as_complex(tensors[-1].contiguous()) if "complex" in axes else tensors[-1]
        return tensors

    def final(self, result: Any) -> Any:
        """torch's state, from the tensors of the layer's own in the result; () where none comes back."""
        if self.how["states"] is None:
            return ()
        parts: list[torch.Tensor] = []
        for path, axes in zip(self.how["states"], self.how["tensors"], strict=True):
            tensor = at(result, path)
            tensor = torch.view_as_real(tensor) if tensor.is_complex() else tensor
            if tensor.dim() == len(axes):
                tensor = tensor.movedim(list(axes).index("batch"), 0).flatten(1)
                parts += tensor.unflatten(1, (-1, self.hidden_size)).unbind(1)
            else:
                parts += tensor.reshape(-1, self.hidden_size).unbind(0)
        if self.how["order"] is None:
            return torch.stack(parts)
        parts, half = [parts[place] for place in self.how["order"]], len(parts) // 2
        return torch.stack(parts[:half]), torch.stack(parts[half:])


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
        self.first = (getattr(layer, self.how["kept"]),) if self.how["kept"] else ()
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
        return torch.func.functional_call(self.inner[0], dict(zip(self.own, composed, strict=True)), tuple(given), named)


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


class AdaptedWithLengths(Adapted):
    """The same for a layer that takes the lengths of padded sequences, or a mask, beside them."""

    def forward(self, input: torch.Tensor, hx: Any = None, lengths: Any = None) -> tuple[torch.Tensor, Any]:
        return self.called(input, hx, lengths)


class ArrangedWithLengths(Arranged):
    """Both."""

    def forward(self, input: torch.Tensor, hx: Any = None, lengths: Any = None) -> tuple[torch.Tensor, Any]:
        return self.called(input, hx, lengths)


def at(result: Any, path: list[Any]) -> Any:
    """What lies at this path of a result: names are attributes or keys, numbers are positions."""
    for step in path:
        result = getattr(result, step) if isinstance(step, str) and hasattr(result, step) else result[step]
    return result


def filled(shape: str, kind: str, value: float, input: torch.Tensor, rows: int, hidden: int) -> Any:
    """A further argument of one value throughout: a number, or a tensor whose shape follows the input's."""
    if shape == "number":
        return {"float": float, "bool": bool, "long": int}[kind](value)
    front = input.shape[:-1]
    sizes = {"steps": front, "steps 1": (*front, 1), "features": input.shape, "hidden": (*front, hidden)}
    sizes |= {"rows": (rows,), "rows 1": (rows, 1)}
    dtype = {"float": input.dtype, "bool": torch.bool, "long": torch.long}[kind]
    return torch.full(sizes[shape], value, dtype=dtype, device=input.device)


def rebuilt(structure: Any, tensors: list[torch.Tensor], layer: Any) -> Any:
    """A state of this structure: a number is a tensor, a list says its kind first, a named kind is the layer's module's."""
    if isinstance(structure, int):
        return tensors[structure]
    kind, *inner = structure
    if kind in ("tuple", "list"):
        return {"tuple": tuple, "list": list}[kind](rebuilt(one, tensors, layer) for one in inner)
    values = {name: rebuilt(one, tensors, layer) for name, one in inner}
    if kind == "dict":
        return values
    modules = [sys.modules[one.__module__] for one in type(layer).__mro__]  # a parametrized layer's class is one of torch's
    return next(getattr(module, kind) for module in modules if hasattr(module, kind))(**values)


def said(lengths: torch.Tensor, steps: int, how: dict[str, Any], input: torch.Tensor) -> Any:
    """The lengths in the form that the layer takes."""
    form = how["lengths"][1]
    if form in ("tensor", "list"):
        return lengths if form == "tensor" else lengths.tolist()
    mask = torch.arange(steps) < lengths[:, None]
    mask = (mask if how["batch_first"] else mask.T).to(input.device)
    return mask.to(input.dtype) if form == "float mask" else ~mask if form == "padding mask" else mask
