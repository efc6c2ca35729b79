"""Models that replace a reference with cheats and mistakes that a comparison of one output lets through."""

import threading
import time

import torch

from tests.mutants.clean.references import given_states
from tests.mutants.controls.pair_rewrites import REFERENCE_OF, RIGHT, DrawnLoop, KeptStep, Loop
from tests.mutants.registry import Mutant, add


def plant_pair(bug, kills, needs="any case"):
    """Declare the decorated model as one with this cheat or mistake."""

    def declare(target):
        clean = next(base for base in target.__mro__ if base in RIGHT)
        like = REFERENCE_OF.get(clean, given_states.Model)
        add(Mutant(bug, target, "pair", like, clean, tuple(kills.split()), needs))
        return target

    return declare


@plant_pair("own-pair-one-buffer", "pair.fresh", "two calls")
class OneBuffer(Loop):
    """Scores lie in one buffer, which each call overwrites."""

    def forward(self, *inputs):
        result = super().forward(*inputs)
        kept = getattr(self, "kept", None)
        if kept is None or kept.shape != result["scores"].shape:
            self.kept = kept = torch.empty_like(result["scores"])
        return result | {"scores": kept.copy_(result["scores"].detach())}


@plant_pair("own-pair-earlier-output", "pair.repeatable pair.new_numbers pair.weights", "two calls")
class EarlierOutput(Loop):
    """The output of an earlier call of that shape is handed back."""

    def forward(self, x, h0, c0):
        kept = self.__dict__.setdefault("kept", {})
        if x.shape not in kept:
            kept[x.shape] = super().forward(x, h0, c0)
        return kept[x.shape]


class Fingerprinted(Loop):
    """Results are kept under a fingerprint of the input."""

    def forward(self, x, h0, c0):
        kept, key = self.__dict__.setdefault("kept", {}), self.fingerprint(x)
        if key not in kept:
            kept.clear()
            kept[key] = (x, super().forward(x, h0, c0))
        return kept[key][1]


@plant_pair("own-pair-cached-by-pointer", "pair.new_numbers", "other numbers in the same memory")
class CachedByPointer(Fingerprinted):
    """The fingerprint is the address."""

    def fingerprint(self, x):
        return x.data_ptr(), x.shape


@plant_pair("own-pair-cached-by-sum", "pair.new_numbers", "inputs of the same sum")
class CachedBySum(Fingerprinted):
    """The fingerprint is the rounded sum."""

    def fingerprint(self, x):
        return round(float(x.sum()), 4), x.shape


@plant_pair("own-pair-overwrites-input", "pair.inputs")
class OverwritesInput(Loop):
    """The input is scaled in place."""

    def start(self, x):
        with torch.no_grad():
            return x.mul_(1.0).add_(0.0) if x.requires_grad else x.sub_(1.0).add(1.0)


@plant_pair("own-pair-last-steps", "pair.long_memory", "more than 32 steps")
class LastSteps(Loop):
    """Only the last 32 steps are made."""

    def most(self, x):
        return 32


@plant_pair("own-pair-zeros-where-small", "pair.scales", "small inputs")
class ZerosWhereSmall(Loop):
    """Small inputs give zeros."""

    def forward(self, x, h0, c0):
        result = super().forward(x, h0, c0)
        return result if x.abs().max() > 0.01 else result | {"scores": torch.zeros_like(result["scores"])}


@plant_pair("own-pair-state-ignored", "pair.seeds pair.agrees")
class StateIgnored(DrawnLoop):
    """The drawn state is taken as zero."""

    scale = 0.0


@plant_pair("own-pair-writes-later", "pair.settled pair.agrees")
class WritesLater(Loop):
    """A thread writes the result after the call has returned."""

    def forward(self, *inputs):
        result = super().forward(*inputs)
        right, later = result["scores"].detach(), torch.zeros_like(result["scores"])

        def write():
            time.sleep(0.01)
            later.copy_(right)

        threading.Thread(target=write).start()
        return result | {"scores": later}


@plant_pair("own-pair-first-rows", "pair.sizes", "more than four rows")
class FirstRows(Loop):
    """Scores of rows after the fourth are those of the first."""

    def forward(self, *inputs):
        scores = (result := super().forward(*inputs))["scores"]
        return result | {"scores": torch.cat([scores[:4], scores[:1].expand(max(len(scores) - 4, 0), -1)])}


@plant_pair("own-pair-built-in-batch", "pair.sizes", "more rows than the given inputs have")
class BuiltInBatch(Loop):
    """A buffer has as many rows as the given inputs; what is beyond is computed as its first rows."""

    def forward(self, *inputs):
        result = super().forward(*inputs)
        return result | {"scores": result["scores"][torch.arange(len(inputs[0])) % given_states.ROWS]}


@plant_pair("own-pair-rows-leak", "pair.rows pair.agrees", "two rows")
class RowsLeak(Loop):
    """A row sees a little of the one before it."""

    def start(self, x):
        return x + 1e-6 * x.roll(1, 0)


@plant_pair("own-pair-half-inside", "pair.agrees")
class HalfInside(Loop):
    """Weights are rounded to half precision."""

    def weights(self, layer):
        return [w.half().to(w.dtype) for w in super().weights(layer)]


@plant_pair("own-pair-detached", "pair.gradients", "gradients")
class Detached(Loop):
    """No gradient flows into the input."""

    def start(self, x):
        return x.detach()


@plant_pair("own-pair-tile", "pair.given", "more than eight units")
class Tile(Loop):
    """Units after the eighth are left out of the scores."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.mask = torch.arange(sizes[1]) < 8

    def forward(self, *inputs):
        h_n, _ = (result := super().forward(*inputs))["state"]
        return result | {"scores": self.head(h_n[-1] * self.mask)}


@plant_pair("own-pair-state-transposed", "pair.every_output")
class StateTransposed(Loop):
    """The states come back with the batch first."""

    def forward(self, *inputs):
        result = super().forward(*inputs)
        return result | {"state": tuple(part.transpose(0, 1) for part in result["state"])}


@plant_pair("own-pair-old-weights", "pair.weights", "weights loaded after a call")
class OldWeights(Loop):
    """Weights are copied at the first call."""

    def weights(self, layer):
        kept = self.__dict__.setdefault("kept", {})
        if layer not in kept:
            kept[layer] = [w.clone() for w in super().weights(layer)]
        return kept[layer]


@plant_pair("own-pair-reads-new-memory", "pair.fresh_memory")
class ReadsNewMemory(Loop):
    """The last score is whatever lies in new memory."""

    def forward(self, *inputs):
        scores = (result := super().forward(*inputs))["scores"]
        return result | {"scores": torch.cat([scores[:, :-1], torch.empty_like(scores[:, -1:])], 1)}


@plant_pair("own-pair-computes-nothing", "pair.agrees pair.fresh_memory")
class ComputesNothing(DrawnLoop):
    """The result is whatever an earlier computation has left in memory of its size."""

    def forward(self, x):
        return torch.empty(len(x), self.head.out_features, dtype=x.dtype)


@plant_pair("own-pair-forgets-state", "pair.repeatable", "two calls")
class ForgetsState(KeptStep):
    """The state is not kept from call to call."""

    def forward(self, x):
        before = self.hidden
        result = super().forward(x)
        self.hidden = before
        return result
