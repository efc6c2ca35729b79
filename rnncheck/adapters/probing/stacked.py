"""Whether residual connections join the layers of a stack; torch's stack has none."""

from collections.abc import Iterator
from functools import partial

import torch

from rnncheck import oracle
from rnncheck.adapters.probing.ground import Baseline, attempt
from rnncheck.core.run import Run
from rnncheck.running.trial import Trial

LAYERS = 3
"""With two, the end alone tells; what the third one reads shows what joins the others."""
CLOSE = 1e-6
"""Float64 runs of one formula are closer than this, those of different formulas are not."""


def has_residuals(start: Baseline) -> bool:
    """Return whether each of three layers is torch's, and from the second on its input is added to its output."""
    if start.case.config.bidirectional:
        return False
    case = start.case.but(config=start.case.config.but(num_layers=LAYERS), dtype="float64")
    trial = Trial(start.subject, case)
    seen, error = attempt(partial(_run, trial))
    return error is None and any(_close(seen, truth) for truth in _residual(trial))


def _run(trial: Trial) -> Run:
    layer = trial.subject.build(trial.case.config, torch.float64, torch.device("cpu"))
    layer.train(False)
    layer.load(trial.case.parameters())
    return trial.run_on(layer)


def _residual(trial: Trial) -> Iterator[Run]:
    """The truth with residual connections up to the end, and with such between layers alone."""
    config, parameters, below = trial.case.config, trial.case.parameters(), trial.case.input_tensor()
    ends: list[Run] = []
    for layer in range(LAYERS):
        mine = {name.replace(f"_l{layer}", "_l0"): p for name, p in parameters.items() if name.endswith(f"_l{layer}")}
        ends.append(oracle.truth(config.but(num_layers=1, input_size=below.shape[-1]), mine, below))
        output = ends[-1].output
        below = output + below if layer else output
    h_n = torch.cat([end.h_n for end in ends])
    c_n = None if ends[0].c_n is None else torch.cat([end.c_n for end in ends if end.c_n is not None])
    yield Run(below, h_n, c_n)
    yield Run(output, h_n, c_n)


def _close(seen: Run, truth: Run) -> bool:
    pairs = zip(seen.parts(), truth.parts(), strict=True)
    return all(
        a.shape == t.shape and bool((a - t).abs().max() < CLOSE) for (name, a), (_, t) in pairs if name == "output" or len(a)
    )
