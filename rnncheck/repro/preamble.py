"""The stage of a script: the documented equations, the layer with literal parameters, input, state, and how it is run.

Everything in the script is (time, batch, features), whatever the layer's own layout.
"""

from collections.abc import Mapping
from math import inf
from typing import Any

from torch import Tensor

from rnncheck.adapters.torch_layers import torch_arguments
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.repro.helpers import renamed
from rnncheck.repro.literal import literal
from rnncheck.repro.reference import reference_text
from rnncheck.running.trial import Trial

FEW = 24
"""Elements of which each has an allowed error of its own in a script."""
_PACK = "packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted={sorted})"
_UNPACK = "output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, total_length=len(x))"


def stage(trial: Trial, *, training: bool | None = None, equations: bool = True) -> list[str]:
    """The lines that define expected_run, run, layer, parameters, own (those of the layer), x, state, start and lengths."""
    case, layer = trial.case, trial.build()
    names = renamed(layer)
    lengths = trial.lengths or (trial.time,) * trial.batch
    return [
        *([reference_text(case.config), ""] if equations else []),
        *run_lines(trial),
        "",
        "",
        *layer_lines(case, layer.parameters()),
        *([f"own = {{name: own[{names!r}.get(name, name)] for name in parameters}}"] if names else []),
        "with torch.no_grad():",
        "    for name, value in parameters.items():",
        "        own[name].copy_(value)",
        f"layer.train({case.training if training is None else training})",
        f"x = {literal(trial.x.contiguous())}  # (time, batch, input)",
        f"state = {literal(_plain(trial.state or ()))}  # hx, empty where it is not given",
        f"start = {'state' if trial.state else literal(_plain(trial.given_state))}",
        f"lengths = tensor({list(lengths)})",
    ]


def _plain(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(part.contiguous() for part in state)


def layer_lines(case: Case, parameters: Mapping[str, Tensor]) -> list[str]:
    """The lines that define layer, parameters (literal ones) and own, those of the layer."""
    return [
        f"layer = {building(case.config, case)}",
        "parameters = {",
        *(f"    {name!r}: {literal(value)}," for name, value in parameters.items()),
        "}",
        "own = dict(layer.named_parameters())",
    ]


def building(config: Config, case: Case) -> str:
    """The call that builds the layer."""
    options = "".join(f", {key}={value!r}" for key, value in torch_arguments(config).items())
    dtype = "" if case.dtype == "float32" else f".to(torch.{case.dtype})"
    device = "" if case.device == "cpu" else f".to({case.device!r})"
    return f"build({config.input_size}, {config.hidden_size}{options}){dtype}{device}"


def run_lines(trial: Trial) -> list[str]:
    """``run`` for the form of this trial's case: packed, with lengths, unbatched, batch_first."""
    case, packed = trial.case, trial.lengths is not None
    beside = packed and hasattr(trial.layer, "with_lengths")
    unbatched, turned = case.batch is None, case.config.batch_first and (beside or not packed)
    x, more = "packed" if packed and not beside else "given", ", lengths" if beside else ""
    hx = "tuple(given_state)" if case.config.takes_tuple else "given_state[0]"
    flat = trial.subject.flat_states
    lay_out = [
        *([_PACK.format(sorted=case.sorted_lengths)] if x == "packed" else []),
        *([f"given = x{'[:, 0]' if unbatched else '.transpose(0, 1)' if turned else ''}"] if x == "given" else []),
        f"given_state = [part{'[:, 0]' if unbatched else ''}{'.squeeze(0)' if flat else ''} for part in state]",
        f"hx = {hx} if state else None",
        f"output, state = layer({x}, hx{more}) if state else layer({x}{', None' + more if more else ''})",
        "state = state if isinstance(state, tuple) else (state,)",
    ]
    read = [
        *([_UNPACK] if x == "packed" else []),
        *(["output, state = output.unsqueeze(1), [part.unsqueeze(-2) for part in state]"] if unbatched else []),
        *(["output = output.transpose(0, 1)"] if turned and not unbatched else []),
        *(["state = [part.unsqueeze(0) for part in state]"] if flat else []),
        'return dict(zip(("output", "h_n", "c_n"), (output, *state)))',
    ]
    told = '"""What the layer returns for input and state, all (time, batch, features)."""'
    return ["def run(layer, x, state):", *(f"    {line}" for line in (told, *lay_out, *read))]


def limits(allowed: Mapping[str, Tensor]) -> dict[str, Any]:
    """Allowed errors by name, element by element where there are few of them, else the largest; in three digits."""
    return {name: _limit(part.double()) for name, part in allowed.items() if part.numel()}


def _limit(allowed: Tensor) -> Any:
    if allowed.numel() > FEW:
        return _up(float(allowed.max()))
    return _each(allowed.tolist())


def _each(values: Any) -> Any:
    return [_each(value) for value in values] if isinstance(values, list) else _up(values)


def _up(value: float) -> float:
    return float(f"{1.005 * value:.3g}") if value < inf else value
