"""How far from the truth a correct implementation may be, for one case.

    allowed = LAMBDA * sigma + 2 ulp(truth) + underflow

sigma is measured, not bounded: the case is computed in float64 several times more, each time with every rounding of a
real implementation replaced by a random one (errors.py says how large, noise.py how random). The root mean square
distance of the copies from the truth is sigma; at each step, the larger of the element's own and that of all features of
its row and direction, because a few copies alone measure a single element badly: with 8 of them its square has a
chi-squared law of 8 degrees of freedom, which falls below a tenth of its mean once in 1,000 elements.

The granularity covers what no noise shows: a value that is stored has an ulp, and below the underflow threshold nothing
but zero may be left of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnncheck.config import Config
from rnncheck.oracle.equations import Observer, Strand
from rnncheck.oracle.errors import Scene, Sizes, Trace, errors_of
from rnncheck.oracle.noise import Jitter, Tape
from rnncheck.oracle.problem import Observers, Problem, final_states
from rnncheck.oracle.rounding import Rounding
from rnncheck.run import Run

LAMBDA = 6.0
"""How many sigma are allowed; see docs/oracle.md for the false-alarm probability that it stands for."""


def ratio(truth: Tensor, allowed: Tensor, actual: Tensor) -> Tensor:
    """|actual - truth| / allowed of each element: 0 where anything is allowed, inf where actual is NaN and may not be."""
    error = (actual.detach().to(device="cpu", dtype=torch.float64) - truth).abs()
    share = torch.where(error == 0, 0.0, error / allowed)
    return torch.where(allowed.isinf(), 0.0, share.nan_to_num(nan=torch.inf, posinf=torch.inf))


@dataclass(frozen=True, eq=False)
class Budget:
    """The truth of a case, and the absolute error that one implementation may have, element by element, in float64.

    allowed is inf where nothing can be said: where the truth is not finite, or the dtype overflows on the way to it.
    Two runs of one subject may differ by twice as much.
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


def default_copies(config: Config) -> int:
    """8, and fewer for wide layers, whose features measure sigma together."""
    return max(2, min(8, 512 // config.hidden_size))


def pooled(truth: Tensor, copies: Tensor) -> Tensor:
    """sigma of each element, (…, size), from copies (…, copies, batch, size); NaN where a copy is not finite."""
    variance = (copies - truth.unsqueeze(-3)).square().mean(dim=-3)
    return torch.maximum(variance, variance.mean(dim=-1, keepdim=True)).sqrt()


def allowed(truth: Tensor, sigma: Tensor, rounding: Rounding) -> Tensor:
    """LAMBDA sigma + granularity, inf where nothing can be said."""
    ulp = 2 * rounding.store + 2.0**-52
    bound = LAMBDA * sigma + ulp * truth.abs() + 2 * rounding.underflow
    decided = bound.isfinite() & truth.isfinite() & (truth.abs() <= rounding.overflow)
    return torch.where(decided, bound, torch.inf)


def longest(problem: Problem, copies: int) -> int:
    """The largest number of signs that one place needs."""
    config = problem.config
    return len(config.gates) * copies * problem.x.shape[2] * config.hidden_size


@dataclass(frozen=True, eq=False)
class Pair:
    """A strand and its perturbed copies."""

    truth: Strand
    copies: Strand


def _strand(
    problem: Problem, index: int, x: Tensor, noisy_x: Tensor, sizes: Sizes, tape: Tape, copies: int, inner: Observer
) -> Pair:
    trace = Trace(inner)
    exact = problem.strand(index, x, trace)
    errors = errors_of(problem.config)(Scene.of(problem, index, x, trace), sizes)
    see = Jitter(errors, tape, copies, inner)
    return Pair(exact, problem.strand(index, noisy_x, see, copies))


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
    copies: how many perturbed runs, 8 or fewer for wide layers unless said.
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
    config, sizes = problem.config, Sizes(rounding)
    copies = copies or default_copies(config)
    tape = Tape(seed, longest(problem, copies))
    x, noisy_x, pairs = problem.x, problem.x, []
    for layer in range(config.num_layers):
        indices = range(layer * config.directions, (layer + 1) * config.directions)
        strands = [_strand(problem, index, x, noisy_x, sizes, tape, copies, equations(index)) for index in indices]
        x = torch.cat([pair.truth.output for pair in strands], dim=-1)
        noisy_x = torch.cat([pair.copies.output for pair in strands], dim=-1)
        pairs += strands
    exact = Run(x.squeeze(1), *final_states([pair.truth for pair in pairs], lambda value: value.squeeze(0)))
    return Budget(exact, _allowed(exact, noisy_x, pairs, rounding, config.directions), rounding)


def _allowed(exact: Run, noisy: Tensor, pairs: list[Pair], rounding: Rounding, directions: int) -> Run:
    h_n, c_n = final_states([pair.copies for pair in pairs], lambda value: value)
    halves = zip(exact.output.chunk(directions, -1), noisy.chunk(directions, -1), strict=True)
    output = torch.cat([pooled(*half) for half in halves], dim=-1)
    cells = None
    if exact.c_n is not None and c_n is not None:
        cells = allowed(exact.c_n, pooled(exact.c_n, c_n), rounding)
    return Run(allowed(exact.output, output, rounding), allowed(exact.h_n, pooled(exact.h_n, h_n), rounding), cells)
