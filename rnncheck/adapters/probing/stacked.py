"""What joins the layers of a stack otherwise than torch's: residual connections, or dilations."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rnncheck import oracle
from rnncheck.adapters.probing.ground import Baseline, attempt
from rnncheck.core.run import Run
from rnncheck.reading.parameters.parameter_names import own_parameters
from rnncheck.running.trial import Trial

LAYERS = 3
"""With two, the end alone tells; what the third one reads shows what joins the others."""
OF_ITS_OWN = "connections of its own"
CLOSE = 1e-6
"""Float64 runs of one formula are closer than this, those of different formulas are not."""


def joined_by(start: Baseline) -> str | None:
    """Return what joins three layers that are torch's each by itself, in words; None where nothing does that is known."""
    if start.case.config.bidirectional:
        return None
    case = start.case.but(config=start.case.config.but(num_layers=LAYERS), dtype="float64")
    trial = Trial(start.subject, case)
    seen, error = attempt(partial(_run, trial))
    if error is not None:
        return OF_ITS_OWN if _reads_more(trial) else None
    return next((words for words, truths in JOINTS.items() if any(_close(seen, truth) for truth in truths(trial))), None)


def _run(trial: Trial) -> Run:
    layer = _built(trial)
    layer.load(trial.case.parameters())
    return trial.run_on(layer)


def _built(trial: Trial) -> Any:
    layer = trial.subject.build(trial.case.config, torch.float64, torch.device("cpu"))
    layer.train(False)
    return layer


def _reads_more(trial: Trial) -> bool:
    """Whether its calls work, and the weights of its further layers show that they read more than the output below."""
    layer, error = attempt(partial(_built, trial))
    if error is not None or getattr(layer, "names", None) is None or attempt(partial(trial.run_on, layer))[1] is not None:
        return False
    own = own_parameters(layer.module)
    shapes = {name: (own[mine].shape, trial.case.config.parameter_shapes()[name]) for name, mine in layer.names.items()}
    further = [name for name in shapes if name.startswith("weight_ih_l") and not name.startswith("weight_ih_l0")]
    other = {name: sizes for name, sizes in shapes.items() if tuple(sizes[0]) != tuple(sizes[1])}
    wider = [name for name, (mine, torchs) in other.items() if mine[0] == torchs[0] and mine[1] > torchs[1]]
    return bool(other) and [*other] == wider and {*other} <= {*further}


def _layer(trial: Trial, layer: int, below: Tensor) -> Run:
    """The truth of one layer by itself, on what lies below."""
    named = trial.case.parameters().items()
    mine = {name.replace(f"_l{layer}", "_l0"): p for name, p in named if name.endswith(f"_l{layer}")}
    return oracle.truth(trial.case.config.but(num_layers=1, input_size=below.shape[-1]), mine, below)


def _residual(trial: Trial) -> Iterator[Run]:
    """The truth with residual connections up to the end, and with such between layers alone."""
    below = trial.case.input_tensor()
    ends: list[Run] = []
    for layer in range(LAYERS):
        ends.append(_layer(trial, layer, below))
        output = ends[-1].output
        below = output + below if layer else output
    h_n = torch.cat([end.h_n for end in ends])
    c_n = None if ends[0].c_n is None else torch.cat([end.c_n for end in ends if end.c_n is not None])
    yield Run(below, h_n, c_n)
    yield Run(output, h_n, c_n)


def _dilated(trial: Trial) -> Iterator[Run]:
    """The output where each layer goes on from the step 1, 2, 4 steps before; no state comes back."""
    output = trial.case.input_tensor()
    for layer in range(LAYERS):
        apart = min(2**layer, len(output))
        rows = [_layer(trial, layer, output[first::apart]).output for first in range(apart)]
        output = torch.stack([rows[step % apart][step // apart] for step in range(len(output))])
    yield Run(output, output.new_zeros(0), None)


JOINTS: Mapping[str, Callable[[Trial], Iterator[Run]]] = {"residual connections": _residual, "dilations": _dilated}
"""What may join the layers, with what such a stack returns."""


def _close(seen: Run, truth: Run) -> bool:
    pairs = zip(seen.parts(), truth.parts(), strict=True)
    return all(
        a.shape == t.shape and bool((a - t).abs().max() < CLOSE) for (name, a), (_, t) in pairs if name == "output" or len(a)
    )
