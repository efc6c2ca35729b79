"""What must hold of the layers of a stack."""

import torch
from torch import nn

from rnncheck.catalog.tools.conditions import deterministic, stacked
from rnncheck.catalog.tools.follow_ups import layer_alone
from rnncheck.core.observation import Observation, equal
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.running.trial import Trial

layer = Family("layer")


@layer(
    "stack",
    formula="f(x) = f_L-1(... f_1(f_0(x))), states in the order of the layers",
    kind="metamorphic",
    needs=("load",),
    cost=4,
    source="Graves 2013: deep recurrent networks; apache/mxnet#17479",
    applies=stacked & deterministic,
)
def stack(trial: Trial) -> Observation:
    """A stack equals its layers run one after the other, each with its own states."""
    runs: list[Run] = []
    for index in range(trial.config.num_layers):
        runs.append(layer_alone(trial, index, runs[-1].output if runs else trial.x).run)
    states = (torch.cat(parts) for parts in zip(*(run.state for run in runs), strict=True))
    return trial.same(Run(runs[-1].output, *states), sides=("from one layer after the other", "from the stack"))


@layer(
    "distinct",
    formula="layers[i] is layers[j]  =>  i = j",
    kind="invariant",
    convention="one module stands in several places of a list, which share its parameters",
    needs=("module",),
    cost=1,
    source="[nn.GRU(n, n)] * layers, which repeats one object",
)
def distinct(trial: Trial) -> Observation:
    """No module with parameters stands in several places of a ModuleList or Sequential: each layer has parameters of its own."""
    lists = [(name, one) for name, one in trial.layer.module.named_modules() if isinstance(one, nn.ModuleList | nn.Sequential)]
    repeated = [place for name, one in lists for place in _repeated(name, one)]
    return equal("one module in several places", repeated, [])


def _repeated(name: str, several: nn.ModuleList | nn.Sequential) -> list[str]:
    """Return the places of modules with parameters that stand in others too."""
    own = [id(one) for one in several]
    return [f"{name}.{k}" for k, one in enumerate(several) if own.count(id(one)) > 1 and any(True for _ in one.parameters())]
