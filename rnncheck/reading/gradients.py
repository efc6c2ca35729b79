"""Which parameters a call depends on: what is learned, or fixed, for the first state, and what lies in what is not looked at."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.core.config import Config
from rnncheck.reading.adapter.adapted import Adapted
from rnncheck.reading.calls.call_arguments import parameters
from rnncheck.reading.calls.experiment import CUT, Sizes, Start, example, quiet, runner
from rnncheck.reading.calls.other_methods import for_other_methods
from rnncheck.reading.calls.results import leaves
from rnncheck.reading.calls.starts import learned_in_makers
from rnncheck.reading.seen import Seen

ROUNDING = 1e-12
"""A gradient this much smaller than the largest one is made of rounding errors: 4,500 in float64, more than experiments add up."""


def learned_start(module: Any, seen: Seen, config: Config, zero: Any) -> tuple[str, ...]:
    """Return the parameters, or buffers of other numbers than 0, that matter only where no state is given: a first state."""
    if seen.needed or zero is None:
        return ()
    fixed = _buffers(module, seen)
    (without, _), (given, _) = (_used(module, seen, config, state, fixed) for state in (None, zero))
    found = tuple(sorted(without - given)) if without and given else ()
    return found if found and _matters_to_the_state_alone(module, seen, config, found) else ()


def _buffers(module: Any, seen: Seen) -> tuple[str, ...]:
    """The names of its tensors of real numbers, not all of them 0, that are no parameters, and in which it keeps no state.

    Those of a part that is torch's own, such as the running mean of a normalisation, are no first state, and may have no gradient.
    """
    if not isinstance(module, nn.Module):
        return ()
    torchs = [f"{name}." for name, part in module.named_modules() if name and type(part).__module__.startswith("torch.")]
    own = [(name, b) for name, b in module.named_buffers() if not name.startswith(tuple(torchs))]
    return tuple(name for name, b in own if b.is_floating_point() and bool(b.any()) and name != seen.how["kept"])


def _matters_to_the_state_alone(module: Any, seen: Seen, config: Config, names: tuple[str, ...]) -> bool:
    """Whether a call goes on from the state that one without a state returns, with other numbers in these parameters too."""
    if seen.how["states"] is None:
        return True
    module = copy.deepcopy(module)
    with torch.no_grad():
        for name, p in (*module.named_parameters(), *module.named_buffers()):
            if name in names:
                p.add_(0.5)
    run = runner(module, seen.how, Start(), Sizes(config.input_size, config.hidden_size, config.num_layers, seen.directions))
    x = example(config.input_size, 3)
    try:
        (whole, _), (_, middle) = run(x), run(x[:CUT])
        rest, _ = run(x[CUT:], middle)
    except Exception:  # it takes no state of its own back
        return True
    return torch.allclose(rest, whole[CUT:], atol=1e-9)


def not_looked_at(module: Any, seen: Seen, config: Config, state: Any) -> tuple[str, ...]:
    """Return the parameters that move only results that are not read, or none with what further arguments are filled with; else
    those that the module has for other methods, as one that makes a first state, or for arguments that are left out.
    """
    read, unread = _used(module, seen, config, state)
    names = {name for name, p in module.named_parameters() if p.requires_grad} if isinstance(module, nn.Module) else set()
    if not read or seen.how.get("beside"):
        return tuple(sorted(names - read)) if read else ()
    others = {*learned_in_makers(module, names - read), *(() if seen.unread else for_other_methods(module, names - read))}
    return tuple(sorted({*(unread - read), *others, *_for_what_is_left_out(module, seen, config, state, names - read - unread)}))


def _for_what_is_left_out(module: Any, seen: Seen, config: Config, state: Any, names: set[str]) -> tuple[str, ...]:
    """Those of these parameters whose numbers change nothing, where a call may be given more that may need them."""
    how = seen.how
    looked_at = [*(name for name, _ in how["given"]), *(how["lengths"] or ())[:1]]
    left_out = [p for p in parameters(module, how) if p.default is None and p.name not in looked_at]
    return tuple(name for name in names if _changes_nothing(module, seen, config, state, name)) if left_out else ()


def _changes_nothing(module: Any, seen: Seen, config: Config, state: Any, name: str) -> bool:
    """Whether a call returns the same for other numbers in this parameter."""
    found = []
    for shift in (0.0, 0.5):
        other = copy.deepcopy(module)
        with torch.no_grad():
            other.get_parameter(name).add_(shift)
        found.append(_result(other, seen, config, state))
    return all(torch.equal(one, another) for (_, one), (_, another) in zip(*found, strict=True))


def _result(module: Any, seen: Seen, config: Config, state: Any) -> list[tuple[Any, Tensor]]:
    """The tensors that a call on the experiments' input returns, each with its path."""
    how, x = seen.how, example(config.input_size, 3)
    called = Adapted(module, config.hidden_size, **how)
    x = x[0] if how.get("input") == "step" else x.transpose(0, 1) if how["batch_first"] else x
    with quiet(grad=True):
        called.begin(x)
        return list(leaves(called.result(x, state, None)))


def unused(module: Any, seen: Seen, config: Config, state: Any) -> set[str]:
    """Return the parameters that move nothing of what comes back."""
    own = {name for name, p in module.named_parameters() if p.requires_grad} if isinstance(module, nn.Module) else set[str]()
    read, unread = _used(module, seen, config, state)
    return own - read - unread


def in_training_alone(module: Any, seen: Seen, config: Config, state: Any) -> tuple[str, ...]:
    """Return the parameters that move what is read in train(), and not in eval()."""
    (trained, _), (read, _) = (_used(copy.deepcopy(module).train(mode), seen, config, state) for mode in (True, False))
    return tuple(sorted(trained - read)) if read else ()


def _used(module: Any, seen: Seen, config: Config, state: Any, fixed: tuple[str, ...] = ()) -> tuple[set[str], set[str]]:
    """The parameters, and these buffers, that move what is read of a call's result, and those that move the rest.

    None where that cannot be called.
    """
    module = copy.deepcopy(module)  # a call may leave something in it
    own = {name: p for name, p in module.named_parameters() if p.requires_grad} if isinstance(module, nn.Module) else {}
    own |= {name: module.get_buffer(name).requires_grad_() for name in fixed}
    try:
        tensors = _result(module, seen, config, state)
        with quiet(grad=True):
            known = [tuple(path) for path in (seen.how["output"], *(seen.how["states"] or []))]
            read = [any(path[: len(one)] == one for one in known) for path, _ in tensors]
            parts = [[t for (_, t), mine in zip(tensors, read, strict=True) if mine == which] for which in (True, False)]
            return _moving(own, parts[0]), _moving(own, parts[1])
    except Exception:  # it is called, or differentiated, in no such way
        return set(), set()


def _moving(own: dict[str, nn.Parameter], parts: list[Tensor]) -> set[str]:
    """The parameters with a gradient of some sum of these tensors."""
    losses = [(part * torch.randn(part.shape, dtype=torch.float64)).sum() for part in parts if part.requires_grad]
    if not losses or not own:
        return set()
    found = torch.autograd.grad(torch.stack(losses).sum(), list(own.values()), retain_graph=True, allow_unused=True)
    sizes = {name: float(g.abs().max()) for name, g in zip(own, found, strict=True) if g is not None and g.numel()}
    least = ROUNDING * max(sizes.values(), default=0.0)
    return {name for name, size in sizes.items() if size > least}
