"""What must hold of the parameters: every one is used, shared, trained, written and drawn as documented."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from rnncheck.catalog.tools.conditions import deterministic, has_bias
from rnncheck.catalog.tools.hidden_permutation import relabelled, restored
from rnncheck.catalog.tools.informative_data import enliven, has_effect, in_many_digits, lively
from rnncheck.catalog.tools.trained_parameters import WITH_OTHERS, trained
from rnncheck.catalog.tools.weight_updates import WAYS, stepped, ways_of
from rnncheck.core.config import Config
from rnncheck.core.observation import Observation, equal, every, identical
from rnncheck.core.property import Family
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.reading.typed.wrapper import Typed
from rnncheck.running.backward import named_results, weighted_sum
from rnncheck.running.layout import scattered_in_memory
from rnncheck.running.trial import SubjectError, Trial, subject_boundary

weights = Family("weights")


@weights("relabel", formula="f(P x; P W P^-1) = P f(x; W)", source="hidden units have no order",
         kind="metamorphic", needs=("load",), applies=deterministic)  # fmt: skip
def relabel(trial: Trial) -> Observation:
    """Reordering the hidden units of each layer and direction reorders outputs and states, and changes nothing else."""
    return trial.same(restored(trial, relabelled(trial).run))


@weights("bias_sum", formula="f(b_ih, b_hh) = f(b_hh, b_ih)", source="lisa-lab/DeepLearningTutorials#81",
         kind="metamorphic", needs=("load",), applies=deterministic & has_bias)  # fmt: skip
def bias_sum(trial: Trial) -> Observation:
    """Swapping b_ih and b_hh changes nothing (except in a GRU's n gate, where r multiplies b_hn)."""
    return trial.same(trial.but(parameters=_exchanged(trial)).run)


def _exchanged(trial: Trial) -> dict[str, Tensor]:
    """b_ih and b_hh exchanged in the rows where that changes no sum."""
    config, new = trial.config, dict(trial.parameters)
    summed = [gate not in config.kind.beside_state for gate in config.gates]
    for _, _, suffix in config.suffixes():
        ih, hh = trial.parameters["bias_ih" + suffix], trial.parameters["bias_hh" + suffix]
        rows = torch.tensor(summed, device=ih.device).repeat_interleave(config.hidden_size)
        new["bias_ih" + suffix], new["bias_hh" + suffix] = torch.where(rows, hh, ih), torch.where(rows, ih, hh)
    return new


# trained --------------------------------------------------------------------------------------------------------------


def _gradients(trial: Trial) -> dict[str, Tensor]:
    """The parameters' gradients of the sum of all results, zero where nothing flows."""
    ones = trial.run.map(torch.ones_like)
    found, live = trial.gradients(ones), trial.layer.parameters()
    gradients = {name: found.get(name) for name, parameter in live.items() if parameter.requires_grad}
    return {name: torch.zeros_like(live[name]) if g is None else g for name, g in gradients.items()}


@weights("alive", formula="d loss / d W[row] != 0", source="google/flax#5594, fastai/fastai2#427",
         kind="derivative", cost=3, needs=("load", "training"), applies=deterministic)  # fmt: skip
def alive(trial: Trial) -> Observation:
    """Every row of every parameter gets a nonzero gradient."""
    found = {name: (g != 0).reshape(len(g), -1).any(1) for name, g in _gradients(in_many_digits(lively(trial))).items()}
    return every(identical(f"rows of {name} with a gradient", rows, torch.ones_like(rows), ("row",))
                 for name, rows in found.items())  # fmt: skip


@weights("trainable", formula="W := W - d loss / d W  =>  W, f(x) move", source="fastai/fastai2#427",
         kind="derivative", cost=4, needs=("training", "module"), applies=deterministic,
         convention="a parameter may act with other options alone", lenient=f"^{WITH_OTHERS} =")  # fmt: skip
def trainable(trial: Trial) -> Observation:
    """Every parameter of the module gets a nonzero gradient, and an optimizer step changes the output.

    One that acts on the results with other options of the call alone is warned of.
    """
    named = trial.config.named
    sizes = (trial.config.input_size, trial.config.hidden_size, *(size for _, size in (named.sizes if named else ())))
    own = not trial.parameters or any(map(parametrize.is_parametrized, trial.layer.module.modules()))
    if own and trial.subject.fixed is None and min(sizes) < 2:  # a norm or softmax of one number
        return Observation()
    if not any(p.requires_grad for p in trial.layer.module.parameters()):
        raise NotClaimed("it has no parameters to train")
    t = trial if trial.parameters else in_many_digits(trial)  # what a step does may be less than a digit
    seen = trained(lively(t))
    seen = seen if seen.holds else trained(lively(t, LONG))
    if not seen.holds and t.state is None and isinstance(t.layer.module, Typed) and t.layer.module.roles["kept"]:
        seen = trained(lively(t.but(state=t.zero_state())))  # what a sequence has for all of its steps is no longer zero
    return seen if seen.holds or trial.parameters else trained(lively(t, LONG), as_built=True)


LONG = 17
"""Steps after which what acts every few steps alone, such as a dilated recurrence, has acted on a state that is not zero."""


MOST_BLOCKS = 8
"""Gates, directions and the like whose rows lie in one parameter."""


@weights("blocks", formula="d loss / d W[k hidden : (k + 1) hidden] != 0",
         source="gates[:, :hidden] taken twice, where the second was to be gates[:, hidden : 2 * hidden]",
         kind="derivative", cost=8, needs=("training", "module", "batched"), applies=deterministic)  # fmt: skip
def blocks(trial: Trial) -> Observation:
    """Where a parameter has a block for each gate or each layer, every block gets a nonzero gradient, or none does."""
    if trial.subject.offers("load") or trial.subject.fixed is not None:
        raise NotClaimed("its rows are those of torch's layer: see weights.alive" if trial.parameters else "it is not built anew")
    if trial.subject.nature.get("eval"):
        raise NotClaimed("it is judged in eval(), and a block may act in training alone, as that of a spread does")
    places = _blocks(trial) if trial.config.hidden_size > 1 else {}
    if not places:
        return Observation()
    t = lively(in_many_digits(trial), LONG)
    found = [_gradients_of_module(t, alive) for alive in (True, False)]
    return equal("blocks without a gradient", [
        told for name, parts in places.items() if has_effect(t, name) and all(bool(g[name].any()) for g in found)
        for told, at in parts if not any(bool(g[name][at].any()) for g in found)
    ], [])  # fmt: skip


def _gradients_of_module(t: Trial, enlivened: bool) -> dict[str, Tensor]:
    """The gradients of a loss of all results, by the module's own names; zeros where nothing flows."""
    layer, cotangents = t.build(), dict(t.cotangents().parts())
    if enlivened:
        enliven(t, layer)
    with torch.enable_grad():
        run = t.read(*t.call_on(layer, t.x.clone(), t.state))
        loss = torch.stack([(part * cotangents[name]).sum() for name, part in run.parts()]).sum()
    with subject_boundary("running backward"):
        loss.backward()
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in layer.module.named_parameters()}


Blocks = dict[str, list[tuple[str, tuple[slice, ...]]]]
"""By parameter, what a block is called and where it lies."""


def _blocks(trial: Trial) -> Blocks:
    """Return the blocks of each parameter: along an axis, parts of hidden_size, or one part a layer."""
    config = trial.config
    one_size = trial.subject.one_size
    wider = trial.subject.fitted(config.but(hidden_size=config.hidden_size + 1, input_size=config.input_size + one_size))
    found = _along(trial, wider, config.hidden_size, wider.hidden_size)
    if config.num_layers > 1:
        for name, places in _along(trial, config.but(num_layers=config.num_layers + 1), 1, 1, config.num_layers).items():
            found.setdefault(name, []).extend(places)
    return found


def _along(trial: Trial, other: Config, size: int, others_size: int, layers: int = 0) -> Blocks:
    """Return the blocks of this size along each axis that grows with the other configuration."""
    found: Blocks = {}
    try:
        shapes, grown = ({n: p.shape for n, p in trial.anew(one).module.named_parameters()} for one in (trial.config, other))
    except SubjectError:  # it is not built in other sizes
        return found
    for name, shape in shapes.items():
        for axis, length in enumerate(shape):
            count, rest = divmod(length, size)
            known = count == layers if layers else 1 < count <= MOST_BLOCKS
            if rest or not known or grown.get(name, shape)[axis] != (count + bool(layers)) * others_size:
                continue
            ends = [(k * size, (k + 1) * size) for k in range(count)]
            places = [(f"{name}[{':, ' * axis}{low}:{high}]", (slice(None),) * axis + (slice(low, high),)) for low, high in ends]
            found.setdefault(name, []).extend(places)
    return found


# read -----------------------------------------------------------------------------------------------------------------


@weights("scattered", formula="f(x; W anywhere in memory) = f(x; W contiguous)", cost=4, kind="metamorphic",
         source="cuDNN: 'RNN module weights are not part of single contiguous chunk of memory'", needs=("load", "module"),
         applies=deterministic)  # fmt: skip
def scattered(trial: Trial) -> Observation:
    """Parameters that are strided, transposed or offset in memory give the same results as contiguous ones."""
    layer = trial.build()
    with subject_boundary("moving its parameters in memory"):
        for number, parameter in enumerate(layer.module.parameters()):
            parameter.data = scattered_in_memory(parameter.detach(), number)
    return trial.same(trial.run_on(layer))


# written --------------------------------------------------------------------------------------------------------------


@weights("write_through", formula="W := W'  =>  f(x; W'), and back  =>  f(x; W) ≡ before", cost=25,
         source="stale copies of weights", kind="metamorphic", needs=("load", "module"),
         applies=deterministic)  # fmt: skip
def write_through(trial: Trial) -> Observation:
    """However parameters are changed between two calls, the second uses the new values; restored, they give the old results."""

    def by(way: str, *alone: str) -> Observation:
        layer, told = trial.build(), ", ".join([way, *(f"{name} alone" for name in alone)])
        before, parameters = trial.run_on(layer), dict(layer.module.named_parameters())
        steps = {name: trial.like(parameters[name].detach(), f"step of {name}", 0.5) for name in alone or parameters}
        seen = trial.do(stepped, layer, WAYS[way], steps, doing=f"changing the parameters, {told}")
        written = every(identical(f"{told}: {n}", p, seen["expected"][n]) for n, p in seen["parameters"].items())
        same = written & _as_if_new(trial, layer, f"{told}: ")
        layer.load(trial.parameters)
        return same & trial.identical(trial.run_on(layer), before, f"{told}, and back: ", ("now", "before"))

    module = trial.layer.module
    names = [name for name, _ in module.named_parameters()]
    return every([*map(by, ways_of(module)), by("in place", names[trial.draw("the one that is changed alone", 0, len(names) - 1)])])


def _as_if_new(trial: Trial, layer: Layer, prefix: str) -> Observation:
    """The layer gives what a new layer gives that is loaded with its parameters; if these can all be read."""
    if set(layer.parameters()) != set(trial.parameters):
        return Observation()
    new = trial.but(parameters={name: p.detach().clone() for name, p in layer.parameters().items()})
    return new.same(trial.run_on(layer), prefix, ("here", "from a new layer"))


class Halved(nn.Module):
    """A parametrization: half of the parameter."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


@weights("parametrize", formula="W = g(V)  =>  f(x; g(V)), d loss / d V = g'(d loss / d W)", cost=6,
         kind="metamorphic", source="torch.nn.utils.parametrize", needs=("load", "parametrize", "training"),
         applies=deterministic)  # fmt: skip
def parametrized(trial: Trial) -> Observation:
    """A parametrization of a weight takes effect in the next call and passes gradients on; once removed, the old results return."""
    layer, halved = trial.build(), trial.but(parameters=_with_half(trial, name := _chosen(trial)))
    before = trial.run_on(layer)
    trial.do(parametrized_by_half, layer, name, doing=f"parametrizing {name}")
    during = trial.run_on(layer)
    given = (*trial.leaves, trial.as_returned(trial.run.map(torch.ones_like), ("output",)))
    trained = trial.do(reaches_the_parametrized, layer, *given, doing="running backward")
    trial.do(no_longer_parametrized, layer, doing=f"removing the parametrization of {name}")
    after = trial.identical(trial.run_on(layer), before, "parametrization removed: ", ("now", "before"))
    seen = halved.same(during, f"{name} halved: ", ("here", "from a new layer"))
    return seen & equal("a gradient of the parametrized", trained, True) & after


def parametrized_by_half(layer: Layer, name: str) -> None:
    """Halve a parameter, which goes by this name among the layer's, by a parametrization."""
    live = layer.parameters()[name]
    own = next(own for own, parameter in layer.module.named_parameters() if parameter is live)
    path, _, attribute = own.rpartition(".")
    parametrize.register_parametrization(layer.module.get_submodule(path), attribute, Halved())


def reaches_the_parametrized(layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor]) -> bool:
    """Return whether backward writes a gradient to what is parametrized."""
    with torch.enable_grad():
        weighted_sum(named_results(layer(x, hx)), weights).backward()
    return any(p.grad is not None for name, p in layer.module.named_parameters() if name.endswith(".original"))


def no_longer_parametrized(layer: Layer) -> None:
    """Remove the halving, and no parametrization of the layer's own; the parameters are what they were before."""
    for module in list(layer.module.modules()):
        for name, own in list(getattr(module, "parametrizations", {}).items()):
            if any(isinstance(one, Halved) for one in own):
                parametrize.remove_parametrizations(module, name, leave_parametrized=False)


def _chosen(trial: Trial) -> str:
    names = [name for name in trial.parameters if name in trial.layer.parameters()]  # not what the layer parametrizes itself
    return names[trial.draw("parametrized weight", 0, len(names) - 1)]


def _with_half(trial: Trial, name: str) -> dict[str, Tensor]:
    return {**trial.parameters, name: trial.parameters[name] / 2}


# built ----------------------------------------------------------------------------------------------------------------
