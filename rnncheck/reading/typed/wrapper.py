"""A typed recurrence behind torch's call. Scripts show this file as it is, so it needs torch, axis_size.py and values.py alone."""

import importlib
import inspect
from functools import reduce
from typing import Any

import torch

from rnncheck.core.axis_size import axis_size
from rnncheck.reading.typed.values import carried_in, counted, in_type, pairs_apart, ranged, reversed_in_time, turned


class Typed(torch.nn.Module):
    """Call ``layer``, a function or module with named arguments, and return what torch's layers return.

    input: (time, batch, features), the sequences side by side, each flattened over its own axes; (time, features) without batch
    hx:    (1, batch, features), the states side by side; (1, features) without batch
    sizes: the size of each axis, and the value of each option

    roles says which argument is what: "sequences" and "parameters" (name, axes, low, high), "flags" (sequences that are raised
    beyond 1.5), "types" (of sequences and parameters that are not real), "state" (argument, structure of tensor numbers),
    "tensors" (axes and type of each in the state), "kept" (arguments in the state that do not come back), "outputs" (path,
    axes), "finals" (path of each tensor of the final state, None for one that is kept; None where none comes back), "options"
    (argument, name in sizes), "backward" (options with which it reads sequences from their end), "none" (arguments that are
    None where nothing is given), "ragged" (how lengths are given), "positions" (arguments that say how many steps come before
    the call: name, axes or None for a number, what it begins with), "time", "batch" and "rows", the names of the axes of steps,
    of sequences, and of sequences in a state
    """

    def __init__(self, layer: Any, sizes: dict[str, Any], roles: dict[str, Any]) -> None:
        super().__init__()
        self.layer, self.sizes = layer, sizes
        self.roles = {**roles, "state": [(name, resolved(structure)) for name, structure in roles["state"]]}
        self.own: Any = None  # a list: what the layer itself returns is put there
        self.taken = [one for one in roles["parameters"] if sizes.get(one[0]) != "left out"]
        for name, axes, _, _ in self.taken:
            shape = [axis_size(axis, sizes) for axis in axes.split()]
            summed = shape[-2:-1] if roles["types"].get(name) == "complex" else shape[-1:]
            self.register_parameter(name, torch.nn.Parameter(torch.randn(shape) / max(summed or [1]) ** 0.5))
        if isinstance(layer, torch.nn.Module):
            moved(layer)

    def forward(self, input: torch.Tensor, hx: Any = None, lengths: Any = None) -> tuple[torch.Tensor, Any]:
        backward = is_backward(self.roles, self.sizes)
        input = reversed_in_time(input, lengths) if backward else input
        if input.dim() == 3:
            output, state, _ = self.with_cache(input, hx, None, lengths)
        else:
            output, state, _ = self.called(input.unsqueeze(1), None if hx is None else hx.unsqueeze(1))
            output, state = output.squeeze(1), tuple(part.squeeze(1) for part in state)
        output = reversed_in_time(output, lengths) if backward else output
        return output, state if self.roles["cache"] is None else ()  # alone it is not all that goes on

    def with_cache(self, input: torch.Tensor, hx: Any, cache: Any, lengths: Any = None, before: Any = None) -> Any:
        """(output, state, cache) for input with a batch axis, after what the cache knows; cache: None where none is given.

        before: how many steps come before the call; None: it is not said
        """
        if lengths is None and not (self.roles["ragged"] or {}).get("needed"):
            return self.called(input, hx, cache, before=before)
        lengths = torch.full(input.shape[1:2], input.shape[0]) if lengths is None else lengths
        return self.ragged(input, hx, lengths, cache, before)

    def called(
        self, input: torch.Tensor, hx: Any, cache: Any = None, rows: Any = None, before: Any = None, **lengths: torch.Tensor
    ) -> Any:
        """(output, state, cache) for input with a batch axis.

        rows: how many sequences there are, where they are laid end to end; lengths: the argument that says their lengths
        """
        taken, how = Arguments(self.roles, self.sizes, input), self.roles["cache"]
        rows = input.shape[1] if rows is None else rows
        cache = self.new_cache(input, rows) if cache is None and how is not None and how["needed"] else cache
        carried = {**self.placed(before, input), **carried_in(how, cache)}
        given = {**dict.fromkeys(self.roles["none"]), **self.options(), **self.parameters_given(), **taken.sequences(input)}
        result = self.own_call(**{**given, **taken.states(hx, rows), **lengths, **carried})
        taken.write_back()
        if self.own is not None:
            paths = [path for path, _ in self.roles["outputs"]] + (self.roles["finals"] or [])
            self.own += [at(result, path) for path in paths if path is not None]
        back = at(result, how["path"]) if how is not None and how["path"] is not None else None
        back = tuple(at(result, path) for _, path in how["parts"]) if how is not None and how["parts"] else back
        return taken.output(result, input), taken.final(result, rows), cache if back is None else back

    def placed(self, before: Any, input: torch.Tensor) -> dict[str, Any]:
        """The arguments that say how many steps come before the call, or of each step how many come before it."""
        positions, options = [] if before is None else self.roles["positions"], self.options()
        front = {self.roles["time"]: input.shape[0], self.roles["batch"]: input.shape[1]}
        return {name: counted(options.get(name, begin) + before, axes, front, input) for name, axes, begin in positions}

    def own_call(self, **arguments: Any) -> Any:
        """Return what the layer itself returns."""
        return self.layer(**arguments)

    def new_cache(self, input: torch.Tensor, rows: Any = None) -> Any:
        """A cache that knows nothing; rows: of how many sequences, where that is not the input's batch."""
        how = self.roles["cache"]
        if how is None:
            return None
        rows = input.shape[1] if rows is None else rows
        known = {"rows": rows, "dtype": input.dtype, "device": input.device, "module": self.layer}
        return how["new"](
            **{name: known[what] if what in known else axis_size(what, self.sizes) for name, what in how["arguments"]}
        )

    def ragged(self, input: torch.Tensor, hx: Any, lengths: torch.Tensor, cache: Any = None, before: Any = None) -> Any:
        """(output, state, cache) for sequences of these lengths, padded on the right; the output is 0 after each one's end."""
        how, (steps, rows) = self.roles["ragged"], input.shape[:2]
        lengths = lengths.to(input.device)
        inside = torch.arange(steps, device=input.device)[:, None] < lengths
        if how["form"] == "offsets":
            ends = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
            flat = input.transpose(0, 1)[inside.T][:, None]
            output, state, cache = self.called(flat, hx, cache, rows, before, **{how["name"]: ends})
            padded = output.new_zeros(rows, steps, output.shape[2]).index_put((inside.T,), output[:, 0])
            return padded.transpose(0, 1), state, cache
        turn = steps - lengths if how["left"] else 0 * lengths
        told = lengths if how["form"] == "lengths" else self.mask(turned(inside[..., None], turn)[..., 0], input.dtype)
        given = turned(input, turn) if how["left"] else input
        output, state, cache = self.called(given, hx, cache, None, before, **{how["name"]: told})
        output = turned(output, -turn) if how["left"] else output
        return torch.where(inside[..., None], output, 0), state, cache

    def mask(self, inside: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """The mask that the layer takes, from one (time, batch) that is True where there is something."""
        how = self.roles["ragged"]
        told = inside ^ how["inverted"]
        told = told if how["axes"].split()[0] == self.roles["time"] else told.T
        return told.to(dtype) if how["real"] else told

    def options(self) -> dict[str, Any]:
        """The options, and the sizes that the call itself wants."""
        return {name: self.sizes[size] for name, size in self.roles["options"]}

    def parameters_given(self) -> dict[str, Any]:
        """The parameters that the call wants, each within its bounds."""
        given = {name: ranged(getattr(self, name), low, high) for name, _, low, high in self.taken}
        return {name: in_type(x, self.roles["types"].get(name, "float")) for name, x in given.items()}


class Arguments:
    """The arguments of one call, made of views of input and state, and its results read back."""

    def __init__(self, roles: dict[str, Any], sizes: dict[str, Any], input: torch.Tensor) -> None:
        self.roles, self.sizes, self.dtype, self.input = roles, sizes, input.dtype, input
        self.plain = input.is_contiguous() and not input.storage_offset()  # then each argument lies in memory of its own, too
        self.copies: list[Any] = []

    def sequences(self, input: torch.Tensor) -> dict[str, Any]:
        """The sequences, by name."""
        found, start = {}, 0
        for name, axes, low, high in self.roles["sequences"]:
            end = start + torch.Size(self.rest(axes)).numel()
            if self.sizes.get(name) != "left out":
                part = self.unflattened(input[..., start:end], axes, (self.roles["time"], self.roles["batch"]), low, high)
                part = (part > 1.5).to(part.dtype) if name in self.roles["flags"] else part
                found[name] = in_type(part, self.roles["types"].get(name, "float"))
            start = end
        return found

    def states(self, hx: Any, rows: Any = None) -> dict[str, Any]:
        """The arguments that are states; where no state is given, those alone that do not come back, as zeros.

        rows: how many sequences there are, where that is not the input's batch
        """
        features = [torch.Size(self.rest(axes)).numel() for axes, _ in self.roles["tensors"]]
        given = self.input.new_zeros(self.input.shape[1] if rows is None else rows, sum(features)) if hx is None else hx[0]
        self.flats, tensors = list(given.split(features, -1)) if features else [], []
        for (axes, kind), flat in zip(self.roles["tensors"], self.flats, strict=True):
            tensors.append(in_type(self.unflattened(flat, axes, (self.roles["rows"],)), kind))
        wanted = [(name, part) for name, part in self.roles["state"] if hx is not None or name in self.roles["kept"]]
        return {name: rebuilt(structure, tensors) for name, structure in wanted}

    def rest(self, axes: str) -> list[int]:
        """The sizes of all axes but time and batch."""
        front = (self.roles["time"], self.roles["batch"], self.roles["rows"])
        return [axis_size(axis, self.sizes) for axis in axes.split() if axis not in front]

    def unflattened(self, flat: Any, axes: str, front: Any, low: Any = None, high: Any = None) -> torch.Tensor:
        """A tensor with these axes, from one with the axes ``front`` and the others together."""
        if None in front:
            if flat.shape[-2] != 1:
                raise ValueError(f"there are {flat.shape[-2]} sequences, but should be 1: there is no batch axis")
            flat = flat.select(-2, 0)
        place = flat.reshape(*flat.shape[:-1], *self.rest(axes)).permute(order(axes, front))
        value = ranged(place, low, high)
        value = pairs_apart(value.contiguous() if self.plain else value, axes)
        if value is not place:
            self.copies.append((place, value, version(value)))
        return value

    def write_back(self) -> None:
        """What the call has written into a copy of a part is written into the part, where the caller sees it."""
        for place, value, before in self.copies:
            if before is not None and version(value) != before:
                place.detach().copy_(value.detach())

    def output(self, result: Any, input: torch.Tensor) -> torch.Tensor:
        """The outputs side by side."""
        front = {self.roles["time"]: input.shape[0], self.roles["batch"]: input.shape[1]}
        return beside([self.flat(result, path, axes, front) for path, axes in self.roles["outputs"]], self.dtype)

    def final(self, result: Any, rows: int) -> Any:
        """Return the final states of these sequences side by side, with a first axis of one layer; () where none comes back."""
        if self.roles["finals"] is None:
            return ()
        front = {self.roles["rows"]: rows}
        parts = [
            flat if path is None else self.finer(self.flat(result, path, axes, front), kind)
            for path, (axes, kind), flat in zip(self.roles["finals"], self.roles["tensors"], self.flats, strict=True)
        ]
        return (beside(parts, self.dtype).unsqueeze(0),)

    def finer(self, state: torch.Tensor, kind: str) -> torch.Tensor:
        """A state that is float32 as its type says, in float64 where the input is."""
        return state.to(torch.promote_types(state.dtype, self.dtype)) if kind == "float32" else state

    def flat(self, result: Any, path: Any, axes: str, front: dict[Any, int]) -> torch.Tensor:
        """What lies at this path of the result, its own axes together."""
        tensor = at(result, path)
        tensor = torch.view_as_real(tensor.resolve_conj()) if isinstance(tensor, torch.Tensor) and tensor.is_complex() else tensor
        wanted = tuple(axis_size(axis, {**self.sizes, **front}) for axis in axes.split())
        if not isinstance(tensor, torch.Tensor) or tuple(tensor.shape) != wanted:
            came = tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else f"a {type(tensor).__name__}"
            raise ValueError(f"result{''.join(f'[{step!r}]' for step in path)} is {came}, but should be ({axes}) = {wanted}")
        tensor = pairs_apart(tensor if tensor.is_floating_point() else tensor.to(self.dtype), axes)
        places = order(axes, [axis for axis in front if axis is not None])
        tensor = tensor.permute([places.index(i) for i in range(len(places))])
        kept = len([axis for axis in front if axis is not None])
        tensor = tensor.reshape(*tensor.shape[:kept], torch.Size(tensor.shape[kept:]).numel())
        return tensor.unsqueeze(-2) if None in front else tensor


def is_backward(roles: dict[str, Any], sizes: dict[str, Any]) -> bool:
    """Whether sequences are read from their end."""
    return any(sizes.get(name, value) == value for name, value in roles["backward"])


def order(axes: str, front: Any) -> list[int]:
    """For each axis where it is among ``front`` and then the others in their order."""
    known = [axis for axis in front if axis is not None]
    places, rest = [], len(known)
    for axis in axes.split():
        places.append(known.index(axis) if axis in known else rest)
        rest += axis not in known
    return places


def beside(parts: list[torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
    """Tensors side by side along their last axis; one alone as it is.

    Where one is not of this dtype, all of them are of its own, since torch would make them one that hides it.
    """
    if len(parts) == 1:
        return parts[0]
    strange = next((part.dtype for part in parts if part.dtype != dtype), dtype)
    return torch.cat([part.to(strange) for part in parts], -1)


def version(tensor: torch.Tensor) -> Any:
    """How often the tensor has been written into; None where torch does not count."""
    return None if torch.compiler.is_compiling() or tensor.is_inference() else tensor._version


@torch.no_grad()
def moved(module: torch.nn.Module) -> None:
    """Move parameters away from their first values: ones, zeros and identities hide what they multiply."""
    for parameter in module.parameters():
        if parameter.is_floating_point() or parameter.is_complex():
            parameter.add_(0.25 * torch.randn_like(parameter))


def at(result: Any, path: Any) -> Any:
    """What lies at this path of a result: names are attributes or keys, numbers are positions."""
    for step in path:
        if result is None:
            return None
        result = getattr(result, step) if isinstance(step, str) and hasattr(result, step) else result[step]
    return result


def resolved(structure: Any) -> Any:
    """A structure with classes for their names, tuple, dict or module:name, which torch.compile cannot look up."""
    if isinstance(structure, int):
        return structure
    kind, *parts = structure
    module, _, name = (kind if ":" in kind else f"builtins:{kind}").partition(":")
    found = reduce(inspect.getattr_static, name.split("."), importlib.import_module(module))
    return [found, *((part, resolved(inner)) for part, inner in parts)]


def rebuilt(structure: Any, tensors: list[torch.Tensor]) -> Any:
    """A state of this structure: a number is a tensor, a list begins with the class that holds its parts."""
    if isinstance(structure, int):
        return tensors[structure]
    kind, *parts = structure
    values = {name: rebuilt(part, tensors) for name, part in parts}
    return tuple(values.values()) if kind is tuple else kind(**values)
