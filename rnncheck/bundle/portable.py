"""Cases for other languages: one safetensors file with inputs, parameters, the right results and the error that each may have.

docs/bundles.md describes every field. Nothing in the file is torch's alone, and a reader needs neither torch nor rnncheck.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from rnncheck.adapters.torch_layers import torch_nn
from rnncheck.core.bounds import whole
from rnncheck.core.case import Case
from rnncheck.core.config import MODES, Mode
from rnncheck.core.plain_text import one_line, quoted
from rnncheck.errors import UsageError
from rnncheck.files.reading import reason
from rnncheck.files.writing import write_whole
from rnncheck.running.trial import Trial
from rnncheck.strategies.plan import plan

SCHEMA = 1
KEY = "rnncheck_cases"
DTYPES = ("float32", "float64")
"""What every language can hold."""
STRENGTH = 2
LARGEST = 40
"""Of time, batch and sizes: larger cases would make up the whole file."""


def portable(mode: str, path: Path, *, cases: int = 40, seed: int = 0, dtypes: tuple[str, ...] = DTYPES) -> int:
    """Write ``cases`` cases of a mode (RNN_TANH, RNN_RELU, GRU, LSTM) to ``path``; return the size in bytes.

    The same arguments make the same bytes. Raises UsageError where an argument cannot be used or the file cannot be written.
    """
    if mode not in MODES:
        raise UsageError(f"mode = {quoted(mode)}, but should be one of {', '.join(MODES)}")
    whole("seed", seed)
    whole("max_examples", cases)
    tensors: dict[str, Tensor] = {}
    told = []
    for place, case in enumerate(islice(_chosen(mode, seed, dtypes), cases)):  # type: ignore[arg-type]
        tensors |= {f"{place}/{name}": tensor.contiguous() for name, tensor in _tensors(mode, case).items()}
        told.append(_described(case))
    header = json.dumps({"schema": SCHEMA, "mode": mode, "seed": seed, "cases": told}, sort_keys=True)
    data = save(tensors, {KEY: header})
    try:
        write_whole(path, data)
    except OSError as error:
        raise UsageError(f"{one_line(path)} cannot be written: {reason(error)}") from None
    return len(data)


def _chosen(mode: Mode, seed: int, dtypes: tuple[str, ...]) -> Iterator[Case]:
    """The planned cases without dropout, in eval(), that are small and of numbers that say something."""
    for case in plan(torch_nn(mode), dtypes, STRENGTH, seed):
        case = case.but(dropout=0.0, training=False, layout="contiguous", switches=())
        sizes = (case.time, case.rows, case.config.input_size, case.config.hidden_size)
        if case.config.mode == mode and 0 < min(sizes) and max(sizes) <= LARGEST:
            yield case


def _tensors(mode: Mode, case: Case) -> dict[str, Tensor]:
    trial = Trial(torch_nn(mode), case)
    states = dict(zip(("h_0", "c_0"), trial.given_state, strict=False))
    told = {"input": trial.x, **states, **{f"parameter/{name}": value for name, value in trial.parameters.items()}}
    told |= {f"expected/{name}": part for name, part in trial.budget.truth.parts()}
    return told | {f"allowed/{name}": part for name, part in trial.budget.allowed.parts()}


def _described(case: Case) -> dict[str, Any]:
    config = case.config
    shown = {
        name: getattr(config, name) for name in ("input_size", "hidden_size", "num_layers", "bidirectional", "bias", "proj_size")
    }
    lengths = None if case.lengths is None else list(case.lengths)
    return {**shown, "reset_after": config.reset_after, "dtype": case.dtype, "lengths": lengths}
