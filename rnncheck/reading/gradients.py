"""Which parameters a call depends on: what is learned for the first state, and what further arguments leave without effect."""

from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.core.config import Config
from rnncheck.reading.experiment import Sizes, Start, runner
from rnncheck.reading.read import Seen


def learned_start(module: Any, seen: Seen, config: Config, zero: Any) -> tuple[str, ...]:
    """Return the parameters that matter only where no state is given: a first state that is learned."""
    if seen.needed or zero is None:
        return ()
    without, given = (_used(module, seen, config, state) for state in (None, zero))
    return tuple(sorted(without - given)) if without and given else ()


def without_effect(module: Any, seen: Seen, config: Config, zero: Any) -> tuple[str, ...]:
    """Return the parameters that have no effect with what further arguments are filled with."""
    if not seen.how.get("beside"):
        return ()
    names = {name for name, p in module.named_parameters() if p.requires_grad} if isinstance(module, nn.Module) else set()
    return tuple(sorted(names - _used(module, seen, config, zero)))


def _used(module: Any, seen: Seen, config: Config, state: Any) -> set[str]:
    """The parameters that move the output or the final state of a call; all of them where that has no derivative."""
    own: dict[str, Tensor] = (
        {name: p for name, p in module.named_parameters() if p.requires_grad} if isinstance(module, nn.Module) else {}
    )
    run = runner(
        module, seen.how, Start(), Sizes(config.input_size, config.hidden_size, config.num_layers, seen.directions), grad=True
    )
    x = torch.randn(5, 3, config.input_size, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    try:
        output, final = run(x, state)
        parts = [output, *(final if isinstance(final, tuple) else (final,))]
        loss: Tensor = sum((part * torch.randn_like(part)).sum() for part in parts)  # type: ignore[assignment]
        found = torch.autograd.grad(loss, list(own.values()), allow_unused=True) if own else ()
    except Exception:  # it is called without a state, or differentiated, in no such way
        return set(own)
    return {name for name, g in zip(own, found, strict=True) if g is not None and bool(g.any())}
