"""A call captured as a graph of the device's own work, and replayed: the same kernels on the same memory, and no Python.

Source: "CUDA semantics: CUDA Graphs" in torch's notes: warm up on a side stream, capture, write into what was captured, replay.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
Call = Callable[..., Tensors]
WARM_UP = 3
"""Calls before the one that is captured."""


def on_cuda(call: Call, given: Tensors) -> Call:
    """A function that gives for other tensors of the same shapes what the captured ``call(*given)`` makes of them."""
    static = tuple(tensor.clone() for tensor in given)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(static[0].device), torch.no_grad():
        with side_stream():
            for _ in range(WARM_UP):
                call(*static)
        with torch.cuda.graph(graph):
            results = call(*static)

    def replay(*new: Tensor) -> Tensors:
        for place, tensor in zip(static, new, strict=True):
            place.copy_(tensor)
        graph.replay()
        return tuple(result.clone() for result in results)

    return replay


@contextmanager
def side_stream() -> Iterator[None]:
    """Work inside goes to a CUDA stream of its own, after what went before it and before what comes after it."""
    here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
    aside.wait_stream(here)
    with torch.cuda.stream(aside):
        yield
    here.wait_stream(aside)


CAPTURES: Mapping[str, Callable[[Call, Tensors], Call]] = {"cuda": on_cuda}
"""How a call is captured, by kind of device."""
