"""Ids that stand for the vectors of an input, for a layer that takes token ids and looks them up or makes them one-hot vectors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

FIRST = 10**6
"""Ids that stand for vectors are larger; those that a layer knows itself are smaller."""
APART = 4096
"""How far these ids lie apart: a layer may add a number to an id, such as that of all questions where the answer is right."""
LOOKS_UP = {"one_hot": 0, "embedding": 0, "__getitem__": 1, "index_select": 2, "scatter": 2, "scatter_": 2}
"""Functions that make vectors of ids, and which of their arguments the ids are."""
CONVERSIONS = ("float", "to", "type")
"""Methods by which one-hot vectors are made numbers of a dtype."""


class Vectors(torch.nn.Module):
    """In place of a table of embeddings: it returns the input's own vector for each of the ids that stand for them.

    tied: whether the layer uses the table's weights too: for its output, or for ids that it knows itself
    """

    def __init__(self, table: Any, tied: bool = False) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = table.num_embeddings, table.embedding_dim, table.padding_idx
        self.vectors: torch.Tensor | None = None
        self.knows_ids: bool = isinstance(table, Vectors) and table.knows_ids
        self.instead_of: tuple[torch.nn.Module] = table.instead_of if isinstance(table, Vectors) else (table,)
        self.table: tuple[torch.nn.Parameter] = table.table if isinstance(table, Vectors) else (table.weight,)
        if tied:
            (self.weight,) = self.table

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        assert self.vectors is not None
        if ids.is_floating_point() or ids.dtype is torch.bool:
            raise TypeError(f"ids are whole numbers, not {ids.dtype}")
        vectors = self.vectors.reshape(-1, self.vectors.shape[-1])
        if not (ids.is_meta or torch.compiler.is_compiling()):
            self.knows_ids |= bool((ids < FIRST).any())
        if not self.knows_ids:
            return vectors_of(ids, vectors)
        own = self.weight[ids.clamp(max=self.num_embeddings - 1)].to(vectors)
        if own.shape[-1] != vectors.shape[-1]:
            return own  # of ids that are no input, such as those of the letters of a word
        return torch.where((ids < FIRST)[..., None], own, vectors_of(ids.clamp(min=FIRST + APART), vectors))


def give_tables_back(layer: Any) -> None:
    """Put the tables back in whose place vectors were."""
    for name, part in list(layer.named_modules()) if isinstance(layer, torch.nn.Module) else []:
        if isinstance(part, Vectors):
            layer.set_submodule(name, part.instead_of[0])


class OneHot(TorchFunctionMode):
    """In place of one-hot vectors, or of rows of a matrix that a function looks up: the input's own vector for each of the ids.

    In experiments float32 stands for their float64.
    """

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        self.vectors = vectors.reshape(-1, vectors.shape[-1])

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        ids = args[LOOKS_UP[name]] if len(args) > LOOKS_UP.get(name, len(args)) else None
        if isinstance(ids, torch.Tensor) and not isinstance(args[0], torch.nn.Parameter) and stand_for_vectors(ids):
            if not name.startswith("scatter"):
                return vectors_of(ids, self.vectors)
            vectors = vectors_of(ids.squeeze(args[1]), self.vectors)
            return args[0].copy_(vectors) if name == "scatter_" else vectors
        to_float32 = name in CONVERSIONS and (name == "float" or torch.float32 in (*args, *(kwargs or {}).values()))
        if to_float32 and torch.get_default_dtype() == torch.float64 == args[0].dtype:
            return args[0]
        return func(*args, **(kwargs or {}))


def stand_for_vectors(ids: torch.Tensor) -> bool:
    """Whether these are ids that stand for vectors; where no numbers can be seen, whole numbers are taken for such."""
    whole = ids.dtype == torch.long and ids.numel() > 0
    return whole and (ids.is_meta or torch.compiler.is_compiling() or int(ids.flatten()[0]) >= FIRST)


def ids_of(vectors: torch.Tensor) -> torch.Tensor:
    """An id for each vector of the input, none of which is padding."""
    shape = vectors.shape[:-1]
    return torch.arange(FIRST + APART, FIRST + APART * (1 + shape.numel()), APART, device=vectors.device).view(shape)


def vectors_of(ids: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """The vectors that ids stand for; an id to which a number was added stands for the same vector, made smaller."""
    places = torch.div(ids - FIRST - APART // 2, APART, rounding_mode="floor")
    added = (ids - FIRST - APART * (1 + places)).abs()[..., None].to(vectors.dtype)
    return vectors[places] * (0.5 + 0.5 / (1 + added))


@contextmanager
def standing_for(vectors: torch.Tensor, layer: torch.nn.Module) -> Iterator[None]:
    """Inside, the ids stand for these vectors wherever the layer looks them up or makes them one-hot."""
    tables = [part for part in layer.modules() if isinstance(part, Vectors)]
    for table in tables:
        table.vectors = vectors
    try:
        if tables and not any(hasattr(table, "weight") for table in tables):
            yield
        else:
            with OneHot(vectors):
                yield
    finally:
        for table in tables:
            table.vectors = None
