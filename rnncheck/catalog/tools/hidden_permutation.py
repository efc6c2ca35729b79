"""A layer whose hidden units have other numbers: the same function, except for the order of features."""

import torch
from torch import Tensor

from rnncheck.core.run import Run
from rnncheck.running.trial import Trial


def _order(trial: Trial, what: str, size: int) -> Tensor:
    """A random order in which the first one comes last."""
    others = torch.randperm(size - 1, generator=trial.generator(f"order of {what}")) + 1
    return torch.cat([others, torch.zeros(1, dtype=torch.int64)])


def hidden_order(trial: Trial, suffix: str) -> Tensor:
    """The new order of the hidden units of this layer and direction."""
    return _order(trial, f"hidden units{suffix}", trial.config.hidden_size)


def state_order(trial: Trial, suffix: str) -> Tensor:
    """The new order of the features of h: the hidden units', or that of the projection's rows."""
    config = trial.config
    return _order(trial, f"projection{suffix}", config.proj_size) if config.proj_size else hidden_order(trial, suffix)


def output_order(trial: Trial, layer: int) -> Tensor:
    """The new order of a layer's output features: both directions side by side."""
    own = [state_order(trial, suffix) for k, _, suffix in trial.config.suffixes() if k == layer]
    return torch.cat([order + place * trial.config.state_size for place, order in enumerate(own)])


def relabelled(trial: Trial) -> Trial:
    """The trial with parameters and states in the new order; the input stays."""
    config, new = trial.config, {}
    for layer, _, suffix in config.suffixes():
        hidden, state = hidden_order(trial, suffix), state_order(trial, suffix)
        rows = torch.cat([hidden + gate * config.hidden_size for gate in range(len(config.gates))])
        columns = output_order(trial, layer - 1) if layer else torch.arange(config.input_size)
        orders = {"weight_ih": (rows, columns), "weight_hh": (rows, state), "weight_hr": (state, hidden)}
        for name, parameter in trial.parameters.items():
            if name.removesuffix(suffix) in (*orders, "bias_ih", "bias_hh"):
                first, *second = orders.get(name.removesuffix(suffix), (rows,))
                new[name] = parameter[first][:, second[0]] if second else parameter[first]
    return trial.but(parameters=new, state=trial.state and _states(trial, trial.state))


def _states(trial: Trial, state: tuple[Tensor, ...], back: bool = False) -> tuple[Tensor, ...]:
    """h and c of every layer and direction in the new order, or back in the old one."""
    suffixes = [suffix for _, _, suffix in trial.config.suffixes()]
    orders = ([state_order(trial, s) for s in suffixes], [hidden_order(trial, s) for s in suffixes])

    def ordered(part: Tensor, order: Tensor) -> Tensor:
        return part[:, order.argsort() if back else order]

    return tuple(
        torch.stack([ordered(p, order) for p, order in zip(part, own, strict=True)]) if len(part) else part
        for part, own in zip(state, orders, strict=False)
    )


def restored(trial: Trial, run: Run) -> Run:
    """A run of the relabelled trial with its features in the old order."""
    output = run.output[:, :, output_order(trial, trial.config.num_layers - 1).argsort()]
    return Run(output, *_states(trial, run.state, back=True))
