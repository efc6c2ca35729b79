"""A layer that is called its own way, behind torch's call. Scripts show this file, and what it imports as far as it is needed."""

import sys
from contextlib import nullcontext
from typing import Any

import torch

from rnncheck.reading.adapter.given_beside import NODES, filled
from rnncheck.reading.adapter.token_ids import Vectors, ids_of, standing_for

HOW: dict[str, Any] = {
    "input": "sequence",  # or "channels first", PICTURE, FLAT, another order (ORDERS), "numbers": no features; "step": a cell
    "batch_first": False,  # (batch, time, features)
    "step_axis": None,  # a cell's input has an axis of one step here
    "images": False,  # each feature is a channel of an image: two axes of pixels are behind the features; "row": one axis
    "nodes": False,  # each feature is given at each node of a graph (NODES): an axis of nodes is in front of the features
    "needed": False,  # the state must be given
    "input_name": None,  # the keyword for the input, where it takes no place
    "given": [(None, 0)],  # the arguments that take the state: (keyword or None, structure of tensor numbers)
    "tensors": [("batch", -1)],  # the axes of each tensor of the state; -k is k * hidden_size, "complex" two parts
    "order": None,  # the places of h, then those of c, among the parts of hidden_size features; None: all are h
    "output": [],  # the path to the output in the result
    "states": [],  # the path to each tensor of the state in the result; None: none comes back
    "last": False,  # only the output of the last step comes back
    "listed": False,  # the output is a list of steps
    "merged": False,  # steps and rows of the output are one axis
    "turned": False,  # the output is (time, batch, features) where the input is (batch, time, features), or the other way round
    "features_last": False,  # the output is (batch, time, features) where the input has its channels first
    "reverse": False,  # it reads a sequence from its end
    "feature_axes": 1,  # how many axes of features the output has: several are made one, and one is put where there is none
    "rows": 0,  # the axis of the batch in the output of the last step alone; 1: a state of layers comes back for it
    "features": None,  # how many features the output has, where they are others than hidden_size
    "lengths": None,  # (keyword, form, whether it must be given); a form is "tensor", "list", "mask", "float mask", "padding mask",
    #                   and, of a mask with one more axis, "mask (steps, 1)" or "mask (1, steps)"
    "longest_first": False,  # it refuses lengths in another order: sequences are put in this order for it, and back
    "others": {},  # further arguments of each call
    "asks": [],  # flags of a call that must be True for the state to come back
    "beside": [],  # further arguments that must be given: (keyword, shape, dtype, what it is filled with)
    "reset": None,  # (method that makes the layer forget, whether it takes the batch size), called before each call
    "kept": None,  # an attribute of the layer that keeps the state: before each call it is as the constructor left it
    "eval": False,  # the layer draws random numbers of its own in training, so it stays in eval()
    "ids": False,  # the layer takes token ids, and makes vectors of them: it is given ids, and the vectors are those of the input
    "tied": False,  # it uses the weights of its table of vectors too: for its output, or for ids of its own
}
"""How a layer is called, and what comes back; what a reading does not say is as it stands here."""
PIXELS = ((1.0, -0.5), (0.25, 2.0))
"""What each feature is multiplied by for each pixel of an image of it: it is seen where pixels are mixed up."""
ORDERS = {"time features batch": (0, 2, 1), "features batch time": (2, 1, 0), "features time batch": (2, 0, 1)}
"""Further orders of the axes that a layer may take, from those of (time, batch, features)."""

PICTURE, FLAT = "batch features 1 time", "time*batch features"
"""Channels first in a picture of one row of pixels; steps and rows in one axis, or rows and steps: the state says how many rows."""
CHANNELS_FIRST = ("channels first", PICTURE)


class Adapted(torch.nn.Module):
    """Call ``layer`` as ``how`` says, and return what torch's layers return.

    input: (time, batch, input_size), or (batch, time, input_size) if batch_first; unbatched without batch
    hx:    (layers * directions, batch, hidden_size), a pair of them for a layer with h and c
    """

    def __init__(self, layer: Any, hidden_size: int, **how: Any) -> None:
        super().__init__()
        self.layer, self.hidden_size, self.how = layer, hidden_size, {**HOW, **how}
        self.first = begins_with(layer, self.how["kept"])
        if self.how["ids"]:
            for name, module in list(layer.named_modules()):
                if isinstance(module, torch.nn.Embedding | Vectors):
                    layer.set_submodule(name, Vectors(module, self.how["tied"]))

    def train(self, mode: bool = True) -> "Adapted":
        super().train(mode)
        if self.how["eval"] and isinstance(self.layer, torch.nn.Module):
            self.layer.eval()
        return self

    def forward(self, input: torch.Tensor, hx: Any = None) -> tuple[torch.Tensor, Any]:
        return self.called(input, hx, None)

    def called(self, input: torch.Tensor, hx: Any, lengths: Any) -> tuple[torch.Tensor, Any]:
        """(output, state) as torch's layers return them."""
        if self.how["longest_first"] and lengths is not None and not torch.equal(lengths, lengths.sort(descending=True).values):
            return self.in_order(input, hx, lengths)
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
            outputs = [self.flat(at(result, how["output"])) for result in results]
            if lengths is not None:  # of each sequence what the whole batch gives, at its last step, behind which nothing follows
                ended = [(t + 1 == lengths).to(input.device)[:, None] for t in range(len(outputs))]
                inside = [(t < lengths).to(input.device)[:, None] for t in range(len(outputs))]
                outputs = [torch.where(e, outputs[-1], one * i.to(one)) for e, i, one in zip(ended, inside, outputs, strict=True)]
            return self.filled(torch.stack(outputs, time)), self.final(results[-1])
        result = self.result(input.flip(time) if how["reverse"] else input, hx, lengths)
        output = at(result, how["output"])
        output = torch.stack(list(output), time) if how["listed"] else output
        output = self.flat(output.unflatten(0, input.shape[:-1]) if how["merged"] else output)
        output = output.transpose(-1, -2) if how["input"] in CHANNELS_FIRST and not how["features_last"] else output
        output = output.permute([ORDERS[how["input"]].index(axis) for axis in range(3)]) if how["input"] in ORDERS else output
        output = output.transpose(0, 1) if how["turned"] and output.dim() == 3 else output
        return self.filled(output.flip(time) if how["reverse"] else output), self.final(result)

    def in_order(self, input: torch.Tensor, hx: Any, lengths: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """Call it with the longest sequence first, and bring what it returns back into the order of the input."""
        rows, order = 1 - int(self.how["batch_first"]), lengths.argsort(descending=True)
        output, state = self.called(input.index_select(rows, order), selected(hx, order), lengths[order])
        return output.index_select(rows, order.argsort()), selected(state, order.argsort())

    def begin(self, input: torch.Tensor) -> None:
        """Make a layer forget that keeps its state itself."""
        if self.how["reset"]:
            name, sizes = self.forgets(input)
            getattr(self.wrapped(), name)(*sizes)
        for value in self.first:
            if value is NotYet:
                vars(self.wrapped()).pop(self.how["kept"], None)
            else:
                setattr(self.wrapped(), self.how["kept"], value.to(input) if isinstance(value, torch.Tensor) else value)

    def forgets(self, input: torch.Tensor) -> tuple[str, list[int]]:
        """The method that makes it forget, and its argument where it takes the number of sequences."""
        name, sized = self.how["reset"]
        return name, [input.shape[0 if self.how["batch_first"] else -2]][:sized]

    def wrapped(self) -> Any:
        """The layer itself."""
        return self.layer

    def filled(self, output: torch.Tensor) -> torch.Tensor:
        """The output with hidden_size features: zeros for those that it lacks, and more of them added up with falling weights."""
        if self.how["features"] is None or output.shape[-1] in (0, self.hidden_size):
            return output
        whole = torch.nn.functional.pad(output, (0, -output.shape[-1] % self.hidden_size)).unflatten(-1, (-1, self.hidden_size))
        return sum(part / (number + 1) for number, part in enumerate(whole.unbind(-2)))

    def flat(self, output: torch.Tensor) -> torch.Tensor:
        """The output with one axis of features, which are its last axes; the last layer's, where a state of layers comes back."""
        output, axes = output[-1] if self.how["rows"] else output, self.how["feature_axes"]
        return output if axes == 1 else output.flatten(-axes) if axes else output.unsqueeze(-1)

    def stepped(self, input: torch.Tensor, hx: Any) -> tuple[torch.Tensor, Any]:
        """Call a cell once a step."""
        if input.dim() not in (2, 3) or len(input) == 0:
            raise ValueError(f"input is {tuple(input.shape)}, but should have 3 axes, or 2 unbatched, and 1 step or more")
        outputs = []
        for step in input:
            result = self.result(step, hx, None)
            hx = self.final(result)
            output = self.flat(at(result, self.how["output"]))
            outputs.append(output.squeeze(self.how["step_axis"]) if output.dim() > step.dim() else output)
        return self.filled(torch.stack(outputs)), hx

    def result(self, input: torch.Tensor, hx: Any, lengths: Any) -> Any:
        """What the layer itself returns."""
        how, rows = self.how, input.shape[0 if self.how["batch_first"] else -2] if input.dim() > 1 else 1
        input = input if how["step_axis"] is None else input.unsqueeze(how["step_axis"])
        input = input.permute(ORDERS[how["input"]]) if how["input"] in ORDERS else input
        own = input.squeeze(-1) if how["input"] == "numbers" else input
        own = own[..., None] * own.new_tensor(PIXELS[0]) if how["images"] == "row" else own
        own = own[..., None, None] * own.new_tensor(PIXELS) if how["images"] is True else own
        own = own[..., None, :] * own.new_tensor(NODES)[:, None] if how["nodes"] else own
        own = own.transpose(-1, -2) if how["input"] in CHANNELS_FIRST else own
        own = own.flatten(0, -2) if how["input"] == FLAT else own.unsqueeze(-2) if how["input"] == PICTURE else own
        given = [ids_of(input) if how["ids"] else own]
        named = {**how["others"], **dict.fromkeys(how["asks"], True)}
        input = own if how["input"] == FLAT else input
        named |= {
            keyword: filled(shape, kind, value, input, rows, self.hidden_size, bool(how["batch_first"]))
            for keyword, shape, kind, value in how["beside"]
        }
        named |= {how["input_name"]: given.pop()} if how["input_name"] else {}
        if hx is not None:
            tensors = self.own_state(hx if isinstance(hx, tuple) else (hx,))
            for keyword, structure in how["given"]:
                value = rebuilt(structure, tensors, self.wrapped())
                given += [value] if keyword is None else []
                named |= {} if keyword is None else {keyword: value}
        if how["lengths"] and (lengths is not None or how["lengths"][2]):
            steps = input.shape[int(how["batch_first"])]
            lengths = torch.full((rows,), steps) if lengths is None else lengths
            named[how["lengths"][0]] = said(lengths, steps, how, input)
        with standing_for(input, self.wrapped()) if how["ids"] else nullcontext():
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
            size = parts[0].shape[-1]  # that of a projection, where there is one
            sizes = [2 if a == "complex" else round(-a * size) if a < 0 else a for a in axes if a != "batch"]
            number = torch.Size(sizes).numel() // size
            mine, parts = torch.stack(parts[:number], -2), parts[number:]  # (batch, number, size)
            mine = mine.reshape(*mine.shape[:-2], *sizes)  # with its batch, where there is one, in front
            mine = mine.movedim(0, list(axes).index("batch")) if mine.dim() > len(sizes) else mine
            tensors.append(torch.view_as_complex(mine.contiguous()) if "complex" in axes else mine)
        return tensors

    def final(self, result: Any) -> Any:
        """torch's state, from the tensors of the layer's own in the result; () where none comes back."""
        if self.how["states"] is None:
            return ()
        parts: list[torch.Tensor] = []
        for path, axes in zip(self.how["states"], self.how["tensors"], strict=True):
            tensor = at(result, path)
            tensor = torch.view_as_real(tensor) if tensor.is_complex() else tensor
            batched = tensor.dim() == len(axes)
            own = [a for a in axes if batched or a != "batch"]
            size = tensor.shape[own.index(-1)] if -1 in own else self.hidden_size
            mine = tensor.movedim(own.index("batch"), 0).flatten(1) if batched else tensor.flatten()
            parts += mine.unflatten(-1, (-1, size)).unbind(-2)
        if self.how["order"] is None:
            return torch.stack(parts)
        parts, half = [parts[place] for place in self.how["order"]], len(parts) // 2
        return torch.stack(parts[:half]), torch.stack(parts[half:])


class AdaptedWithLengths(Adapted):
    """The same for a layer that takes the lengths of padded sequences, or a mask, beside them."""

    def forward(self, input: torch.Tensor, hx: Any = None, lengths: Any = None) -> tuple[torch.Tensor, Any]:
        return self.called(input, hx, lengths)


class NotYet:
    """What stands for an attribute that the first call makes."""


def begins_with(layer: Any, kept: str | None) -> tuple[Any, ...]:
    """The attribute in which a layer keeps its state, as it is now; () where none is kept."""
    return () if kept is None or layer is None else (getattr(layer, kept, NotYet),)


def selected(hx: Any, rows: torch.Tensor) -> Any:
    """These rows of a state as torch has it, if there is one."""
    if hx is None or isinstance(hx, torch.Tensor):
        return hx if hx is None else hx.index_select(1, rows)
    return tuple(part.index_select(1, rows) for part in hx)


def at(result: Any, path: list[Any]) -> Any:
    """What lies at this path of a result: names are attributes or keys, numbers are positions."""
    for step in path:
        result = getattr(result, step) if isinstance(step, str) and hasattr(result, step) else result[step]
    return result


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
    mask = mask.unsqueeze(-1) if form.endswith("(steps, 1)") else mask.unsqueeze(1) if form.endswith("(1, steps)") else mask
    return mask.to(input.dtype) if form.startswith("float") else ~mask if form.startswith("padding") else mask
