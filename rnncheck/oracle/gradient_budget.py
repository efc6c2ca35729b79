"""How far the gradients of a correct implementation may be from the truth, for one case.

As budgets.py does for the results: sigma is the distance from the truth of a few copies with random rounding, forward and
backward. A rounding error backward is a number added to the gradient of a value, which is the same as the loss having
<value, number> as a further term. The gradients of all values come from autograd in float64; the parameters' gradients
are products of those of the pre-activations with inputs and states.

A rectifier has no derivative at 0. A unit whose pre-activation lies within its budget of 0 may be taken as on or off by
a correct implementation, so half of the copies take it the other way; `kinks` counts these units. Where several are in
doubt that may go the same way (twins, steady states), nothing is said of the gradients of their row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.oracle.backward_errors import input_variance
from rnncheck.oracle.budget import longest
from rnncheck.oracle.equal_rows import Twins, backward_twins, forward_twins
from rnncheck.oracle.error_size import Sizes
from rnncheck.oracle.forward_errors import together
from rnncheck.oracle.kinds import equations_of
from rnncheck.oracle.margin import allowed, margin, pooled, ratio, stretch, variance
from rnncheck.oracle.parameter_gradients import factors, parameter_gradients, parameter_sigma, parameter_variances
from rnncheck.oracle.passes import Pass, Rounded, Sides, differentiate, forward
from rnncheck.oracle.perturbation import Copies, Perturb, RandomTape, random_like, slopes_in_doubt
from rnncheck.oracle.rounding import Rounding
from rnncheck.oracle.trace import LayerTrace, Trace
from rnncheck.oracle.truth import Problem, at_last, checked


@dataclass(frozen=True, eq=False)
class GradientBudget:
    """True gradients of the loss and the absolute error that one implementation's may have, in float64.

    Both have the keys "input", "h_0", "c_0" (LSTM) and the parameters' names, and the shapes of these.
    kinks: how many rectifiers are within rounding of 0, where the gradient jumps; allowed contains the jump.
    """

    truth: Mapping[str, Tensor]
    allowed: Mapping[str, Tensor]
    rounding: Rounding
    kinks: int

    def ratios(self, actual: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
        """|actual - truth| / allowed of the gradients that are given; None is taken as zero."""
        zero = torch.zeros((), dtype=torch.float64, device="cpu")
        pairs = ((name, zero if value is None else value) for name, value in actual.items())
        return {name: ratio(self.truth[name], self.allowed[name], value) for name, value in pairs}

    def used(self, actual: Mapping[str, Tensor | None]) -> float:
        """The largest share of the budget that is used; above 1 the subject does not agree."""
        return max((float(share.max()) for share in self.ratios(actual).values() if share.numel()), default=0.0)


def _shifted(variance: Tensor, reverse: bool) -> Tensor:
    """What each step does to the gradient of the state it started from, at the step that made that state."""
    nothing = torch.zeros_like(variance[:1])
    return torch.cat([nothing, variance[:-1]] if reverse else [variance[1:], nothing])


def _at_start(variance: Tensor, reverse: bool, valid: Tensor | None) -> Tensor:
    """What a row's first step does to the gradient of its initial state."""
    return at_last(variance, valid) if reverse else variance[0]


class Backwards:
    """The sizes of the backward pass' rounding errors, of one strand, from the truth."""

    def __init__(self, problem: Problem, index: int, scene: LayerTrace, grads: Mapping[str, Tensor], sizes: Sizes) -> None:
        reverse, valid = problem.reverse(index), problem.valid
        self.twins = backward_twins(problem.layers[index])
        variances, before = equations_of(problem.config).backward(scene, grads, sizes)
        shifted = {place: _shifted(variance, reverse) for place, variance in before.items()}
        self.input = input_variance(scene, grads, sizes)
        every = {"input": self.input, **variances, "h": shifted["h"] + sizes.stored(grads["h"])}
        if "c" in shifted:
            every["c"] = variances["c"] + shifted["c"]
        live = 1.0 if valid is None else valid.unsqueeze(1).double()
        self.errors = {place: sizes.error(variance) * live for place, variance in every.items()}
        self.start = {place: _at_start(variance, reverse, valid) for place, variance in before.items()}

    def added(self, tape: RandomTape, copies: Copies, lowest: bool) -> dict[str, Tensor]:
        """Random numbers of these sizes; none for the input of the lowest layer, which goes nowhere."""
        places = [place for place in self.errors if place != "input" or not lowest]
        return {p: random_like(self.errors[p], tape, copies, self.twins.get(p)) for p in places}


def _sides(scene: LayerTrace, trace: Trace, sizes: Sizes, generator: torch.Generator, copies: Copies) -> Sides:
    """Each doubtful rectifier is on in half of the copies, another half for each."""
    truth, values = scene.trace["a"][0], trace["a"][0]
    sigma = pooled(variance(truth, values, copies.count))
    doubtful = truth.abs() <= margin(copies.count) * sigma + sizes.rounding.underflow
    order = torch.rand(values.shape, generator=generator, dtype=torch.float64, device="cpu").argsort(dim=1).argsort(dim=1)
    return doubtful, order < copies.runs // 2


NEAR = 16
"""How many roundoffs apart two steps may be, and count as the same: sums of close numbers are still rounded alike in part."""


def _at_rest(scene: LayerTrace, sizes: Sizes) -> Tensor:
    """(batch,): whether a row comes to rest, or goes to and fro between two states."""
    a = scene.trace["a"][0, :, 0]
    near = NEAR * sizes.store * a.abs().amax(-1).clamp(min=sizes.rounding.underflow)
    return torch.stack([((a[lag:] - a[:-lag]).abs().amax(-1) <= near[lag:]).any(0) for lag in (1, 2)]).any(0)


def _together(doubtful: Tensor, at_rest: Tensor, twins: Mapping[str, Twins]) -> Tensor:
    """(batch,): the rows with doubtful rectifiers that may all go the same way, as no half of the copies shows it."""
    several = doubtful.sum(dim=(0, 1, 3)) > 1
    return several if twins else several & at_rest


def _rounded(
    problem: Problem,
    scenes: list[LayerTrace],
    sizes: Sizes,
    seed: int,
    copies: Copies,
    twins: Sequence[Mapping[str, Twins]],
) -> tuple[list[Trace], int, Tensor]:
    """Observers that round, one a strand, how many rectifiers they may take the other way, and the rows lost to them."""
    apart = [equations_of(problem.config).errors(scene, sizes) for scene in scenes]
    errors = [error if same else together(error) for error, same in zip(apart, twins, strict=True)]
    tape = RandomTape(seed, longest(problem, copies))

    def jitters() -> list[Perturb]:
        strands = zip(errors, scenes, twins, strict=True)
        return [Perturb(error, scene.trace.values, tape, copies, same, sizes.rounding.operand) for error, scene, same in strands]

    plain: list[Trace] = [Rounded(jitter) for jitter in jitters()]
    if not problem.config.kind.rectifies:
        return plain, 0, torch.zeros(problem.x.shape[2], dtype=torch.bool, device="cpu")
    forward(problem, plain, copies.runs)  # to see how far the pre-activations move
    generator = torch.Generator("cpu").manual_seed(seed)
    found = [_sides(scene, trace, sizes, generator, copies) for scene, trace in zip(scenes, plain, strict=True)]
    lost = [_together(found[i][0], _at_rest(scenes[i], sizes), twins[i]) for i in range(len(found))]
    sided: list[Trace] = [Rounded(jitter, sides) for jitter, sides in zip(jitters(), found, strict=True)]
    return sided, sum(int(doubtful.sum()) for doubtful, _ in found), torch.stack(lost).any(0)


@torch.inference_mode(False)
@torch.no_grad()
def gradient_budget(
    config: Config,
    parameters: Mapping[str, Tensor],
    input: Tensor,
    h_0: Tensor | None,
    c_0: Tensor | None,
    lengths: Sequence[int] | Tensor | None,
    cotangents: Run,
    *,
    rounding: Rounding,
    seed: int,
    copies: int = 16,
) -> GradientBudget:
    """True and allowed gradients of sum(output * cotangents.output) + the same of h_n and c_n.

    The first six arguments are those of truth(); a cotangent beyond a row's end counts for nothing, and cotangents are
    taken to be numbers of the results' dtype, which under autocast is not that of the parameters. Raises OracleError as
    truth() does, and if a cotangent is missing.
    """
    problem, sizes = Problem.of(config, parameters, input, h_0, c_0, lengths), Sizes(rounding)
    weights, strands = _weights(problem, cotangents), range(len(problem.layers))
    exact = differentiate(problem, [Trace() for _ in strands], weights, 1, [{} for _ in strands])
    scenes = [problem.traced(i, exact.inputs[i], exact.traces[i]) for i in strands]
    backwards = [Backwards(problem, i, scenes[i], exact.grads[i], sizes) for i in strands]
    twins = [forward_twins(layer, problem.config.kind) for layer in problem.layers]
    alike = any(twins) or any(back.twins for back in backwards)
    made = Copies.of(copies, alike)
    traces, kinks, lost = _rounded(problem, scenes, sizes, seed, made, twins)
    tape = RandomTape(seed + 1, longest(problem, made))
    added = [back.added(tape, made, i < config.directions) for i, back in enumerate(backwards)]
    noisy = differentiate(problem, traces, weights, made.runs, added)
    compared = _at_the_start(problem, exact, noisy, backwards, copies)
    compared |= _of_parameters(problem, scenes, exact, noisy, sizes, copies)
    names = ["input", *(f"{letter}_0" for letter in config.state_sizes), *config.parameter_shapes()]
    factor = _stretch(problem, exact, noisy, sizes, copies).masked_fill(lost[:, None], torch.inf)
    worst = factor.max() if factor.numel() else torch.ones((), dtype=torch.float64, device="cpu")
    stretched = {name: factor if name in exact.start else worst for name in names}
    bounds = {name: allowed(compared[name][0], compared[name][1] * stretched[name], rounding) for name in names}
    return GradientBudget({name: compared[name][0] for name in names}, bounds, rounding, kinks)


def _weights(problem: Problem, cotangents: Run) -> Run:
    """The cotangents in float64, with an axis of copies."""
    time, batch = problem.x.shape[0], problem.x.shape[2]
    state = problem.h_0.shape[0], batch
    finals = {f"{letter}_n": (*state, size) for letter, size in problem.config.state_sizes.items()}
    shapes = {"output": (time, batch, problem.config.output_size), **finals}
    found = {name: checked(f"cotangents.{name}", getattr(cotangents, name), shape) for name, shape in shapes.items()}
    return Run(**{name: value.unsqueeze(-3) for name, value in found.items()})


def _stretch(problem: Problem, exact: Pass, noisy: Pass, sizes: Sizes, count: int) -> Tensor:
    """(batch, 1): the factor from sigma to what is allowed, margin, 1 unless rounding is coarse or the network chaotic.

    The slope of a saturated gate is exp(-|a|): an error e in a changes the gradient by the factor exp(e), and those of all
    steps multiply. So gradients do not spread like a normal law but like its exponential: where the exponent has the
    standard deviation tau, margin tau becomes exp(margin tau) - 1. Infinite where a value or gradient overflows on the way.
    """
    tau = torch.zeros(problem.x.shape[2], dtype=torch.float64, device="cpu")
    lost = torch.zeros_like(tau, dtype=torch.bool)
    for i in range(len(problem.layers)):
        slopes = _of_rectifiers if problem.config.kind.rectifies else _of_gates
        tau += slopes(exact.traces[i], noisy.traces[i], sizes, count)
        for place, grad in exact.grads[i].items():
            lost |= overflowing(grad, noisy.grads[i][place], sizes, count)
        for place in exact.traces[i].values:
            lost |= overflowing(exact.traces[i][place], noisy.traces[i][place], sizes, count)
    return margin(count) * stretch(tau, count).masked_fill(lost, torch.inf)[:, None]


def _of_gates(exact: Trace, noisy: Trace, sizes: Sizes, count: int) -> Tensor:
    """(batch,): the variance of all steps' pre-activations, in the mean over gates and units."""
    total = torch.zeros((), dtype=torch.float64, device="cpu")
    for place in ("a", "an"):
        if place in exact.values:
            a = exact[place]
            spread = sizes.unsaturated(a, variance(a, noisy[place], count)).mean(dim=-1)
            total = total + spread.squeeze(-2).flatten(0, -2).sum(0) / (len(a) if a.dim() > 4 else 1)
    return total


def _of_rectifiers(exact: Trace, noisy: Trace, sizes: Sizes, count: int) -> Tensor:
    """(batch,): that of the logarithm of what goes through, over all steps (noise.Kinks)."""
    a = exact["a"][0]
    sigma = pooled(variance(a, noisy["a"][0], count))
    doubtful = (a.abs() <= margin(count) * sigma) & (sigma > 10 * sizes.rounding.underflow)
    return slopes_in_doubt(a > 0, doubtful).squeeze(1).sum(0)


SQUARABLE = 1e150
"""The square of a number up to this one, and a sum of such squares, is finite in float64."""


def overflowing(truth: Tensor, copies: Tensor, sizes: Sizes, count: int) -> Tensor:
    """(batch,): whether a row has a value that may exceed the dtype's range.

    Most are far from it, which the largest values show: of at most twice as many runs as count, sigma is at most the square root
    of 2 times the largest distance.
    """
    limit = min(sizes.rounding.overflow, SQUARABLE)
    if truth.numel() and bool((1 + 2 * margin(count)) * (_largest(truth) + _largest(copies)) <= limit):
        return truth.new_zeros(truth.shape[-2], dtype=torch.bool)
    sigma = pooled(variance(truth, copies, count))
    over = ~(truth.abs() + margin(count) * sigma <= sizes.rounding.overflow)  # NaN where a part of a sum may overflow
    return over.squeeze(-3).any(-1).flatten(0, -2).any(0)


def _largest(values: Tensor) -> Tensor:
    """The largest absolute value; NaN where one is NaN."""
    low, high = values.aminmax()
    return torch.maximum(-low, high)


Compared = dict[str, tuple[Tensor, Tensor]]
"""name -> (true gradient, sigma)."""


def _at_the_start(problem: Problem, exact: Pass, noisy: Pass, backwards: list[Backwards], count: int) -> Compared:
    """The gradients of input and initial states."""
    own = {"input": torch.stack([back.input for back in backwards[: problem.config.directions]]).sum(0)}
    for place in backwards[0].start:
        own[f"{place}_0"] = torch.stack([back.start[place] for back in backwards])
    found = {}
    for name, true in exact.start.items():
        squares = pooled(variance(true, noisy.start[name], count)).square() + own[name]
        found[name] = true.squeeze(-3), squares.sqrt().squeeze(-3)
    return found


def _of_parameters(problem: Problem, scenes: list[LayerTrace], exact: Pass, noisy: Pass, sizes: Sizes, count: int) -> Compared:
    """The gradients of all parameters."""
    found, config = {}, problem.config
    for i, (_, _, suffix) in enumerate(config.suffixes()):
        terms = factors(problem, i, scenes[i].trace, exact.inputs[i], exact.grads[i])
        copied = parameter_gradients(config, factors(problem, i, noisy.traces[i], noisy.inputs[i], noisy.grads[i]))
        exactly = parameter_gradients(config, terms)
        own = parameter_variances(config, terms, exactly, sizes)
        for name, true in exactly.items():
            found[name + suffix] = true[0], parameter_sigma(config, true[0], copied[name], count, own[name])
    return found
