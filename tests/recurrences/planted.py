"""What goes wrong in recurrences of one's own, planted: mechanisms of public reports, each written anew.

A class is one of the right forms with one mistake. ``@bug`` says which properties are meant to see it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import logsigmoid

from .base import (
    CHUNK,
    SLSTM,
    AttentionAtOnce,
    AttentionInChunks,
    DeltaRule,
    DeltaRuleInChunks,
    DiagonalSSM,
    GatedLinearAttention,
    MinGRU,
    MinGRUInLogarithms,
    SSMByDoubling,
    SSMByKernel,
)


@dataclass(frozen=True)
class Planted:
    """A bug: the class, the right form that it is made of, and globs of the properties that are to see it.

    against: the loop of the recurrence, where only a comparison with it can show the bug
    """

    target: Any
    clean: Any
    kills: tuple[str, ...]
    against: Any = None


PLANTED: dict[str, Planted] = {}


def bug(kills: str, against: Any = None) -> Callable[[Any], Any]:
    """Put the decorated class on the list, under its name."""

    def declare(target: Any) -> Any:
        PLANTED[target.__name__] = Planted(target, target.__mro__[1], tuple(kills.split()), against)
        return target

    return declare


# states that are given ---------------------------------------------------------------------------------------------------


@bug("time.split state.* gradient.numerical")
class ParallelFormWithoutState(MinGRUInLogarithms):
    """The parallel form does not look at the state that it is given (minGRU-pytorch #9)."""

    def carried(self, kept, h):
        return torch.zeros_like(kept)


@bug("time.split time.prefill time.step_by_step")
class StateCountedFromTheSecondStep(MinGRUInLogarithms):
    """What is left of the given state is counted from the second step on."""

    def carried(self, kept, h):
        return super().carried(torch.cat([torch.zeros_like(kept[:1]), kept[:-1]]), h)


@bug("time.split time.prefill")
class CacheDroppedForSeveralSteps(GatedLinearAttention):
    """A cached state is used for a single step, and begun anew where several are given at once (transformers #45513)."""

    def begin(self, x, state):
        return super().begin(x, state if len(x) == 1 else None)


@bug("batch.* time.*")
class StateWithoutItsBatchOffset(GatedLinearAttention):
    """Every sequence begins with the first one's state (RWKV-LM #241)."""

    def begin(self, x, state):
        return super().begin(x, state if state is None else state[:1].expand_as(state))


@bug("batch.alone time.*")
class BatchOfOneTreatedOtherwise(DeltaRule):
    """A batch of one is taken for one without a batch, and its state is left out."""

    def begin(self, x, state):
        return super().begin(x, None if x.shape[1] == 1 else state)


@bug("layout.no_mutation mode.repeatable gradient.*")
class StateOverwritten(DiagonalSSM):
    """The state that is given is where the next one is written (in-place kernels of single steps)."""

    def run(self, x, h):
        output, last = super().run(x, h)
        with torch.no_grad():
            h.copy_(last)
        return output, last


@bug("layout.no_alias state.fresh")
class FinalStateIsPartOfTheOutput(MinGRUInLogarithms):
    """The final state is a view of the output."""

    def run(self, x, h):
        output, _ = super().run(x, h)
        return output, output[-1]


@bug("layout.fresh_memory")
class StateOfFreshMemory(GatedLinearAttention):
    """The default state is fresh memory times zero."""

    def begin(self, x, state):
        fresh = x.new_empty(x.shape[1], *self.parts, self.hidden_size)
        return fresh * 0 if state is None else state


@bug("state.default_is_zero")
class DefaultStateIsOne(SLSTM):
    """Without a state, the normaliser begins at one."""

    def begin(self, x, state):
        zero = x.new_zeros(x.shape[1], self.hidden_size)
        return (zero, zero + 1, zero, zero) if state is None else state


# chunks, scans and kernels -----------------------------------------------------------------------------------------------


@bug("time.split time.step_by_step time.prefill")
class TailChunkMissingInState(AttentionInChunks):
    """The final state is that of the last whole chunk (fla #285, #494: pieces with a cache are not the whole)."""

    def carry(self, k, v, b, state):
        return super().carry(k, v, b, state) if len(k) == CHUNK else state


@bug("time.* gradient.reach agree.against")
class OneStepTooEarly(AttentionInChunks):
    """Inside of a chunk a step sees the next one: the mask begins one place too late."""

    def masked(self, since):
        later = torch.ones(since.shape[:2], dtype=torch.bool).triu(2)
        return since.masked_fill(later[..., None, None], -torch.inf)


@bug("time.* agree.against")
class DecayOfTheChunkTwice(AttentionInChunks):
    """What a chunk adds to the state decays from the chunk's beginning instead of from its own step."""

    def carry(self, k, v, b, state):
        return b[-1].exp()[..., None] * state + torch.einsum("tbk,tbh->bkh", k * b.exp(), v)


@bug("time.* agree.against")
class DecaysNotSummedAnew(AttentionInChunks):
    """Decays are summed over all steps instead of over the chunk's, from the second chunk on."""

    def attend(self, q, k, v, g, state):
        self.before = g.new_zeros(g.shape[1:])
        return super().attend(q, k, v, g, state)

    def chunk(self, q, k, v, b, state):
        last, self.before = self.before, self.before + b[-1]
        return super().chunk(q, k, v, b + last, state)


@bug("time.* agree.against")
class DoublingStopsEarly(SSMByDoubling):
    """The scan doubles its reach once too seldom where the steps are no power of two."""

    def states(self, u, h):
        u = torch.cat([u[:1] + self.decay() * h, u[1:]])
        decay, reach = self.decay(), 1
        while 2 * reach <= len(u):
            u = torch.cat([u[:reach], u[reach:] + decay * u[:-reach]])
            decay, reach = decay * decay, 2 * reach
        return u


@bug("weights.as_new")
class KernelKeptFromTheFirstCall(SSMByKernel):
    """The powers of the decay are kept by the number of steps, whatever becomes of the decay."""

    def powers(self, time):
        kept = self.__dict__.setdefault("kept", {})
        if time not in kept:
            kept[time] = super().powers(time).detach()
        return kept[time].to(self.rate.dtype) + 0 * super().powers(time)


@bug("time.* agree.against")
class StepIsNotForward(DiagonalSSM):
    """The path of a single step leaves the skip connection out (mamba #1024: step is not forward)."""

    def run(self, x, h):
        output, last = super().run(x, h)
        return (output - self.skip(x) if len(x) == 1 else output), last


@bug("time.*")
class ShiftForgottenBetweenCalls(GatedLinearAttention):
    """A step's value is mixed with the last step's, which no state carries from call to call."""

    def attend(self, q, k, v, g, state):
        return super().attend(q, k, v + 0.5 * torch.cat([torch.zeros_like(v[:1]), v[:-1]]), g, state)


@bug("time.* agree.against")
class ErrorsOfOtherChunk(DeltaRuleInChunks):
    """Inside of a chunk, errors are not corrected for what the chunk itself has written."""

    def errors(self, k, known, beta):
        return known


@bug("batch.* time.*")
class DecayAveragedOverTheBatch(AttentionAtOnce):
    """The decay that is masked is the mean of all sequences."""

    def log_decay(self, x):
        return super().log_decay(x).mean(1, keepdim=True).expand(*x.shape[:2], -1)


# gradients ---------------------------------------------------------------------------------------------------------------


@bug("gradient.*")
class GateGradientWithoutFinalState(AttentionInChunks):
    """The gate's gradient does not know of the final state (fla #459)."""

    def carry(self, k, v, b, state):
        return super().carry(k, v, b.detach(), state)


@bug("gradient.*")
class InitialStateDetached(DeltaRuleInChunks):
    """Nothing flows back into the state that is given."""

    def begin(self, x, state):
        return super().begin(x, None if state is None else state.detach())


@bug("gradient.*")
class TailWithoutGradient(DeltaRuleInChunks):
    """The last chunk has no gradient where it is not whole (fla #1142)."""

    def chunk(self, q, k, v, beta, state):
        return super().chunk(q, k, v.detach() if k.shape[1] < CHUNK else v, beta, state)


class _DecayOnce(torch.autograd.Function):
    """a h, whose gradient in h is not multiplied by a."""

    @staticmethod
    def forward(ctx, a, h):
        ctx.save_for_backward(h)
        return a * h

    @staticmethod
    def backward(ctx, d):
        (h,) = ctx.saved_tensors
        return (d * h).sum(0), d


@bug("gradient.*")
class DecayLeftOutBackward(DiagonalSSM):
    """Backward through time leaves the decay out."""

    def states(self, u, h):
        states = []
        for u_t in u:
            h = _DecayOnce.apply(self.decay(), h) + u_t
            states.append(h)
        return torch.stack(states)


# several states ----------------------------------------------------------------------------------------------------------


@bug("time.*")
class StabiliserNotCarried(SLSTM):
    """The state that keeps the exponentials in bounds comes back as zero."""

    def run(self, x, state):
        output, (c, n, h, m) = super().run(x, state)
        return output, (c, n, h, torch.zeros_like(m))


@bug("time.*")
class StatesComeBackInAnotherOrder(SLSTM):
    """The normaliser and the cell change places on their way out."""

    def run(self, x, state):
        output, (c, n, h, m) = super().run(x, state)
        return output, (n, c, h, m)


@bug("time.*")
class NormaliserNotDecayed(SLSTM):
    """From the fourth step of a call on, the normaliser keeps what it should forget."""

    def run(self, x, state):
        self.count = 0
        return super().run(x, state)

    def step(self, x, c, n, h, m):
        self.count += 1
        return super().step(x, c, n * 1.5 if self.count > 3 else n, h, m)


@bug("time.* agree.dtype")
class StateKeptInHalfTheDigits(MinGRU):
    """The final state is rounded to bfloat16 on its way out."""

    def run(self, x, h):
        output, last = super().run(x, h)
        return output, last.bfloat16().to(last.dtype)


# what only a reference shows ---------------------------------------------------------------------------------------------


@bug("agree.against", against=GatedLinearAttention)
class QueryNotScaled(AttentionInChunks):
    """Queries are not divided by the root of their size."""

    def query(self, x):
        return self.to_q(x)


@bug("agree.against", against=GatedLinearAttention)
class DecayInTheWrongPlace(AttentionAtOnce):
    """A step's decay is applied after its own key and value instead of before."""

    def log_decay(self, x):
        return logsigmoid(self.to_g(x)) / 4.1


@bug("agree.against", against=MinGRU)
class CandidateOfAnotherKind(MinGRU):
    """The candidate is an exponential below zero."""

    def candidate(self, v):
        return torch.where(v >= 0, v + 0.5, 0.5 * v.exp())


@bug("agree.against", against=DeltaRule)
class KeysNotNormalised(DeltaRuleInChunks):
    """Keys keep their length."""

    def key(self, x):
        return self.to_k(x)


@bug("agree.against", against=DeltaRule)
class BetaWithoutGradient(DeltaRuleInChunks):
    """Beta is right, and what it is made of learns nothing, in training or not."""

    def beta(self, x):
        return super().beta(x).detach()
