"""How far from the truth a correct implementation may be, for one case.

The noise level is measured, not bounded: the case is computed in float64 several times more, each time with every
rounding of a real implementation replaced by a random one. errors.py and sizes.py say how large, noise.py how random,
spread.py how far from the truth is allowed then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.oracle.equal_rows import Twins, forward_twins
from rnncheck.oracle.equations import LayerDirection, Observer
from rnncheck.oracle.error_size import Sizes
from rnncheck.oracle.forward_errors import of_pre_activations, together
from rnncheck.oracle.kinds import equations_of
from rnncheck.oracle.margin import allowed, margin, pooled, ratio, stretch, variance
from rnncheck.oracle.perturbation import Copies, Perturb, PerturbRectifiers, RandomTape
from rnncheck.oracle.rounding import Rounding
from rnncheck.oracle.trace import LayerTrace, Trace
from rnncheck.oracle.truth import Join, Observers, Problem, at_last, final_states


@dataclass(frozen=True, eq=False)
class Budget:
    """The truth of a case, and the absolute error that one implementation may have, element by element, in float64.

    allowed is inf where nothing can be said: where the truth is not finite, or the dtype overflows on the way to it, or
    the network has become chaotic. Two runs of one subject may differ by twice as much.
    """

    truth: Run
    allowed: Run
    rounding: Rounding | None = None

    def ratios(self, actual: Run) -> Run:
        """|actual - truth| / allowed, in the layout of a Run."""
        c_n = None
        if self.truth.c_n is not None and self.allowed.c_n is not None:
            assert actual.c_n is not None
            c_n = ratio(self.truth.c_n, self.allowed.c_n, actual.c_n)
        output = ratio(self.truth.output, self.allowed.output, actual.output)
        return Run(output, ratio(self.truth.h_n, self.allowed.h_n, actual.h_n), c_n)

    def used(self, actual: Run) -> float:
        """The largest share of the budget that is used; above 1 the subject does not agree."""
        return max((float(part.max()) for _, part in self.ratios(actual).parts() if part.numel()), default=0.0)

    @property
    def twice(self) -> Run:
        """What two runs of one subject may differ by."""
        return self.allowed.map(lambda allowed: 2 * allowed)

    @property
    def undecided(self) -> float:
        """The share of the numbers about which nothing can be said."""
        parts = [part.isinf() for _, part in self.allowed.parts()]
        return sum(int(part.sum()) for part in parts) / max(1, sum(part.numel() for part in parts))


@dataclass(frozen=True, eq=False)
class Pair:
    """A layer and direction, its perturbed copies, and their variance: a LayerDirection of (…, 1, batch, size).

    tau2: (time, batch), what the errors so far have done to the slopes; count: how many copies are a sample.
    """

    truth: LayerDirection
    copies: LayerDirection
    variance: LayerDirection
    tau2: Tensor
    count: int

    def spread(self, pick: Callable[[LayerDirection], Tensor]) -> Tensor:
        """margin * sigma * stretch of one part."""
        own = pick(self.variance).squeeze(-3)
        tau2 = self.tau2 if own.dim() > 2 else self.tau2.amax(0)
        return margin(self.count) * pooled(own) * stretch(tau2, self.count).unsqueeze(-1)


@dataclass(frozen=True, eq=False)
class Flow:
    """What a layer gets: the true x (time, 1, batch, features), the copies', their variance, tau2 (time, batch)."""

    x: Tensor
    copies: Tensor
    variance: Tensor
    tau2: Tensor


def default_copies(config: Config) -> int:
    """16, and half for wide layers: it is there that they cost, and a larger margin is the price."""
    return 16 if config.hidden_size <= 64 else 8


def longest(problem: Problem, copies: Copies) -> int:
    """How many random numbers one place needs at most."""
    config = problem.config
    features = max(len(config.gates) * config.hidden_size, config.input_size, config.output_size)
    return copies.runs * max(problem.x.shape[2], 1) * features


def _exact(problem: Problem, equations: Observers) -> tuple[list[LayerDirection], list[LayerTrace]]:
    """The truth of all strands, and what the sizes of the errors are read from."""
    x, strands, scenes = problem.x, [], []
    for layer in range(problem.config.num_layers):
        indices = range(layer * problem.config.directions, (layer + 1) * problem.config.directions)
        traces = [Trace(equations(index)) for index in indices]
        pairs = list(zip(indices, traces, strict=True))
        strands += [problem.strand(index, x, trace) for index, trace in pairs]
        scenes += [problem.traced(index, x, trace) for index, trace in pairs]
        x = problem.join([strand.output for strand in strands[-len(pairs) :]])
    return strands, scenes


@dataclass(frozen=True, eq=False)
class _Noise:
    """How the copies are made: of every strand its scene, and the twins of its errors."""

    sizes: Sizes
    tape: RandomTape
    copies: Copies
    scenes: Sequence[LayerTrace]
    twins: Sequence[Mapping[str, Twins]]

    @classmethod
    def of(cls, problem: Problem, scenes: Sequence[LayerTrace], sizes: Sizes, seed: int, count: int) -> "_Noise":
        twins = [forward_twins(layer, problem.config.kind) for layer in problem.layers]
        copies = Copies.of(count, any(twins))
        return cls(sizes, RandomTape(seed, longest(problem, copies)), copies, scenes, twins)


def _strand(problem: Problem, index: int, exact: LayerDirection, flow: Flow, noise: _Noise, inner: Observer) -> Pair:
    sizes, scene, twins, count = noise.sizes, noise.scenes[index], noise.twins[index], noise.copies.count
    apart = equations_of(problem.config).errors(scene, sizes)
    errors = together(apart)
    given = apart if twins else errors, scene.trace.values, noise.tape, noise.copies, twins, sizes.rounding.operand, inner
    rectifies = problem.config.kind.rectifies
    jitter = Perturb(*given)
    if rectifies:
        jitter = PerturbRectifiers(*given).of(scene.trace["a"][0], sizes.rounding.underflow, twins.get("a"))
    noisy = problem.strand(index, flow.copies, jitter, noise.copies.runs)
    reverse, valid = problem.reverse(index), problem.validity(index)
    spread = _variance(exact, noisy, count)
    if isinstance(jitter, PerturbRectifiers):
        doubt = jitter.doubt if valid is None else torch.where(valid.unsqueeze(1), jitter.doubt, 0.0)
        end = doubt[0] if reverse else at_last(doubt, valid)
        spread = LayerDirection(torch.maximum(spread.output, doubt), torch.maximum(spread.h_n, end), None)
    slopes = scene.spread(flow.variance, _before(spread.output, reverse), of_pre_activations(errors), sizes)
    if isinstance(jitter, PerturbRectifiers):  # no slope but 0 and 1
        slopes = jitter.slopes
    over = exact.output.abs() + margin(count) * spread.output.sqrt() > sizes.rounding.overflow
    slopes = slopes.masked_fill(over.any(-1).squeeze(1), torch.inf)
    if valid is not None:
        slopes = torch.where(valid.squeeze(-1), slopes, 0.0)
    grown = slopes.flip(0).cumsum(0).flip(0) if reverse else slopes.cumsum(0)
    return Pair(exact, noisy, spread, flow.tau2 + grown, count)


def _variance(truth: LayerDirection, copies: LayerDirection, count: int) -> LayerDirection:
    c_n = None if truth.c_n is None or copies.c_n is None else variance(truth.c_n, copies.c_n, count)
    return LayerDirection(variance(truth.output, copies.output, count), variance(truth.h_n, copies.h_n, count), c_n)


def _before(variance: Tensor, reverse: bool) -> Tensor:
    """What a step starts from, zero for the first."""
    nothing = torch.zeros_like(variance[:1])
    return torch.cat([variance[1:], nothing] if reverse else [nothing, variance[:-1]])


def _next(pairs: list[Pair], join: Join) -> Flow:
    """What the next layer gets. With two directions each step has seen all others."""
    tau2 = torch.stack([pair.tau2 for pair in pairs]).amax(0)
    if len(pairs) > 1:
        tau2 = tau2.amax(0).expand_as(tau2)
    parts = zip(*((p.truth.output, p.copies.output, p.variance.output) for p in pairs), strict=True)
    x, copies, spread = (join(outputs) for outputs in parts)
    return Flow(x, copies, spread, tau2)


@torch.inference_mode(False)
@torch.no_grad()
def budget(
    config: Config,
    parameters: Mapping[str, Tensor],
    input: Tensor,
    h_0: Tensor | None = None,
    c_0: Tensor | None = None,
    lengths: Sequence[int] | Tensor | None = None,
    *,
    rounding: Rounding,
    seed: int,
    copies: int | None = None,
) -> Budget:
    """Truth and allowed error of a case; the arguments are those of truth().

    rounding: how the subject rounds; seed: of the random roundings, the same seed gives the same budget;
    copies: how many perturbed runs, an even number; 16, or 8 above 64 hidden units, unless said.
    """
    return budget_of(Problem.of(config, parameters, input, h_0, c_0, lengths), rounding, seed, copies)


def budget_of(
    problem: Problem,
    rounding: Rounding,
    seed: int,
    copies: int | None = None,
    equations: Observers = lambda _: Observer(),
) -> Budget:
    """The same for a problem, and for other equations where a hypothesis has some."""
    config = problem.config
    exact, scenes = _exact(problem, equations)
    noise = _Noise.of(problem, scenes, Sizes(rounding), seed, copies or default_copies(config))
    tau2 = torch.zeros(problem.x.shape[0], problem.x.shape[2], dtype=torch.float64, device="cpu")
    flow, pairs = Flow(problem.x, problem.x, torch.zeros_like(problem.x), tau2), []
    for layer in range(config.num_layers):
        indices = range(layer * config.directions, (layer + 1) * config.directions)
        strands = [_strand(problem, i, exact[i], flow, noise, equations(i)) for i in indices]
        flow = _next(strands, problem.join)
        pairs += strands
    true = Run(flow.x.squeeze(1), *final_states(exact, lambda value: value.squeeze(0)))
    return Budget(true, _allowed(true, pairs[-config.directions :], pairs, rounding, problem.join), rounding)


def _allowed(exact: Run, top: list[Pair], pairs: list[Pair], rounding: Rounding, join: Join) -> Run:
    output = join([pair.spread(lambda strand: strand.output) for pair in top])
    h_n = torch.stack([pair.spread(lambda strand: strand.h_n) for pair in pairs])
    c_n = None
    if exact.c_n is not None:
        cells = [pair.spread(_cell) for pair in pairs]
        c_n = allowed(exact.c_n, torch.stack(cells), rounding)
    return Run(allowed(exact.output, output, rounding), allowed(exact.h_n, h_n, rounding), c_n)


def _cell(strand: LayerDirection) -> Tensor:
    assert strand.c_n is not None
    return strand.c_n
