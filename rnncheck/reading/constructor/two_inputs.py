"""How an encoder and a decoder that have an input each are built: input_size is that of the decoder's input."""

from collections.abc import Iterator, Mapping
from typing import Any

from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.filled import filled
from rnncheck.reading.constructor.size_words import MORE_HIDDEN, UNSAID, counts_tokens, size_of
from rnncheck.reading.signature import HIDDEN, parameters_of


def of_two_inputs(target: Any, required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    """Where a call takes two inputs, take the second size as that of the input; the first one is as large as the state."""
    forward = getattr(target, "forward", None) if isinstance(target, type) else None
    if forward is None or sum(p.default is p.empty for p in parameters_of(forward)[1:]) < 2:
        return
    sizes = [p.name for p in required if p.annotation in UNSAID and not counts_tokens(p.name)]
    hidden = [name for name in sizes if name in (*HIDDEN, *MORE_HIDDEN)] or [name for name in sizes if size_of(name) == "hidden"]
    inputs = [name for name in sizes if name not in hidden and size_of(name) is not None]
    if hidden and len(inputs) > 1:
        yield from filled(required, (inputs[1],), (*hidden, inputs[0]), options)
