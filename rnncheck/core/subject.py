"""The thing under test: how to build it, and what it claims to offer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.core.case import Case
from rnncheck.core.chunks import Chunks, fit, in_words
from rnncheck.core.clip_case import ClipCase
from rnncheck.core.config import Config, Mode
from rnncheck.core.features import EVERY_FEATURE
from rnncheck.core.further import Further
from rnncheck.core.kinds import RESET_AFTER
from rnncheck.core.named import Named
from rnncheck.core.pair_case import PairCase
from rnncheck.core.step_case import StepCase


class Malformed(Exception):
    """What the subject returned cannot be read: a wrong type or shape. shape.* judges it; the others cannot go on."""

    def __init__(self, message: str, actual: object = None, expected: object = None) -> None:
        super().__init__(message)
        self.actual, self.expected = actual, expected


class NotClaimed(Exception):
    """A property asks for a follow-up case that the subject does not offer; the message is the reason."""


Kind = Literal["layer", "clip", "step", "pair"]


@dataclass(frozen=True)
class Claim:
    """Whether a feature is offered, and how we know: declared, read off the signature, or found by a probe."""

    offered: bool
    how: Literal["declared", "signature", "probed"]
    why: str = ""


NOT_READ = "not read: no call of it comes back"
"""Why a layer of which nothing tells the mode claims next to nothing."""
BIT_FOR_BIT: Mapping[str, Claim] = {
    name: Claim(False, "declared", f'off unless claimed: rnncheck_claims = {{"{name}": True}}')
    for name in ("repeatable", "batch_invariant", "in_pieces")
}
"""Features that are checked only where a subject claims them itself: rounding alone may break them."""


class Layer(Protocol):
    """A built layer behind one door: torch's call, parameters under torch's names."""

    @property
    def module(self) -> Any:
        """The torch.nn.Module itself, where there is one."""

    def __call__(self, input: Tensor | PackedSequence, hx: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...]]:
        """(output, (h_n,)) or (output, (h_n, c_n)), in the layer's own layout."""

    def parameters(self) -> dict[str, Tensor]:
        """The live tensors, by torch's names where the subject claims "load", else by its own."""

    def load(self, parameters: Mapping[str, Tensor]) -> None:
        """Set every parameter."""

    def train(self, mode: bool) -> None:
        """train() or eval()."""


class TakesLengths(Layer, Protocol):
    """The layer of a subject that claims "lengths": padded input may come with its lengths beside it."""

    def with_lengths(self, input: Tensor, hx: tuple[Tensor, ...] | None, lengths: Tensor) -> tuple[Any, tuple[Tensor, ...]]:
        """(padded output, state) for padded input in the layer's own layout, lengths (batch,) int64."""


Build = Callable[[Config, torch.dtype, torch.device], Layer]


OF_TORCHS_STACK = ("equations", "load", "last_output")
"""What is claimed of one layer alone, where something joins several."""


@dataclass(frozen=True)
class Subject:
    """An implementation and its claims.

    Attributes:
        name: its name in reports, e.g. ``torch.nn.LSTM`` or ``mine.py:MyLSTM``
        kind: "layer" (cells are judged as layers of one step a call), "clip" for a function like clip_grad_norm_, "step"
            for one that performs an optimizer's step, or "pair" for a model that must agree with a reference
        build: for a layer, (config, dtype, device) -> Layer; for a clip function or a step, the function itself; for a pair
            a rnncheck.running.pair.Pair
        modes: which of torch's modes it implements
        claims: a Claim for each feature; what is missing is not offered
        fixed: for an instance, the one configuration that it has
        source: how a script imports it, as Python lines that bind the name ``build``; None where it cannot be imported
        reference: the subject that it must agree with (``--against``), and that agree.against runs
        nature: what of a configuration it always has, whatever is asked for, such as two directions
        read_as: how it was read, in one line; None for layers that are known
        forms: other forms of the same recurrence, by name: each is what ``build.in_form`` is given
        named: the tensors and axes of a recurrence that was read from its types; None for what has torch's input and state
        choices: the values of each of its options
        keeps_state: whether the object keeps its state itself, for instance in a buffer, until a method resets it
        said: what a user says of how it is read, by the words of rnncheck.reading.said
        drop_in: whether it replaces torch's layer, so that conventions are contracts
        unread: arguments and results that may be a state, or outputs, and were not read
        not_looked_at: what no verdict speaks of, in words
        further: arguments of a call, beside input and state, that properties of their own vary
        place: what the command line takes for it; None where no name leads to it
    """

    name: str
    kind: Kind
    build: Any
    modes: tuple[Mode, ...] = ()
    claims: Mapping[str, Claim] = field(default_factory=dict)
    fixed: Config | None = None
    source: str | None = None
    reference: "Subject | None" = None
    nature: Mapping[str, Any] = field(default_factory=dict)
    read_as: str | None = None
    forms: Mapping[str, Any] = field(default_factory=dict)
    named: Named | None = None
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    drop_in: bool = False
    keeps_state: bool = False
    said: Mapping[str, Any] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    further: tuple[Further, ...] = ()
    not_looked_at: tuple[str, ...] = ()
    place: str | None = None

    @property
    def stored_as(self) -> str:
        """What a stored case names it: what leads to it, or else what it is called."""
        return self.place or self.name

    @property
    def against(self) -> str | None:
        """The name of the reference, None if there is none."""
        return None if self.reference is None else self.reference.name

    def offers(self, feature: str) -> bool:
        """Whether the feature is claimed."""
        claim = self.claims.get(feature)
        return claim is not None and claim.offered

    @property
    def flat_states(self) -> bool:
        """Whether the states of one layer are known to be (batch, size), without torch's first axis."""
        return "layer_axis" in self.claims and not self.offers("layer_axis")

    @property
    def one_size(self) -> bool:
        """Whether input_size has to be hidden_size."""
        return "sizes" in self.claims and not self.offers("sizes")

    def fitted(self, config: Config) -> Config:
        """Return the configuration with both sizes rounded up to what the constructor takes."""
        steps, least = (self.nature.get(word, (1, 1)) for word in ("multiples", "least"))
        sizes = zip((config.input_size, config.hidden_size), steps, least, strict=True)
        input_size, hidden_size = (max(-(-size // step) * step, smallest) for size, step, smallest in sizes)
        return config.but(input_size=input_size, hidden_size=hidden_size)

    @property
    def steps(self) -> int:
        """The number of steps of which each call takes a multiple: 1, or a chunk."""
        return int(self.nature.get("steps", 1))

    @property
    def chunks(self) -> Chunks:
        """The numbers of steps that each call takes, single steps aside."""
        return self.steps, bool(self.nature.get("doubled_steps"))

    @property
    def steps_in_words(self) -> str:
        """The same in words."""
        return in_words(self.chunks, self.takes_steps(1))

    def takes_steps(self, time: int) -> bool:
        """Whether a call may have this number of steps: whole chunks, or a single step where it takes that, too."""
        return fit(time, self.chunks) or (time == 1 and bool(self.nature.get("single_steps")))

    def in_whole_chunks(self, case: Case) -> Case:
        """Return the case with as many steps as the subject takes: more, or one to three chunks where there are less than one."""
        if fit(case.time, self.chunks):
            return case
        chunks = -(-case.time // self.steps) if case.time > self.steps else 1 + case.time % 3
        chunks = 1 << (chunks - 1).bit_length() if self.chunks[1] else chunks
        time = chunks * self.steps
        lengths = case.lengths and tuple(length + time - case.time for length in case.lengths)
        return case.but(time=time, lengths=lengths)

    @property
    def stateless(self) -> bool:
        """Whether no final state comes back."""
        return "state" in self.claims and not self.offers("state")

    @property
    def of_its_own(self) -> bool:
        """Whether it is declared to be a recurrence that is none of torch's."""
        return "equations" in self.claims and not self.offers("equations")

    @property
    def must_be_torchs(self) -> bool:
        """Whether its reference declares torch's equations, as torch's layers and ours do; another's own may be any recurrence."""
        return self.reference is not None and bool(self.reference.modes) and not self.reference.of_its_own

    def refuses(self, case: Case | ClipCase | StepCase | PairCase) -> str | None:
        """Why this case is outside the claims, or None where it is within."""
        if isinstance(case, ClipCase | StepCase | PairCase):
            return self.lacks(case.features_used())
        if not _same_tensors(self, case.config.named):
            return "other named tensors or options than it has"
        if case.config.mode not in self.modes:
            return f"mode {case.config.mode}"
        if self.nature.get("bidirectional") and not case.config.bidirectional:
            return "it always has two directions"
        if not self.takes_steps(case.time):
            return f"it takes numbers of steps that are {self.steps_in_words}"
        if self.fixed is not None and case.config != self.fixed:
            return "another configuration than the instance has"
        return self.lacks(tuple(name for name in features_used(case) if name != "sizes" or name in self.claims))

    def claiming(self, case: Case | ClipCase | StepCase | PairCase) -> "Subject":
        """Return the subject with what it claims of this case: several layers that something joins are not torch's stack."""
        joint = self.nature.get("joined")
        if joint is None or not isinstance(case, Case) or case.config.num_layers < 2:
            return self
        own = Claim(False, "probed", f"{joint} join its layers, and torch's stack has none")
        return replace(self, claims={**self.claims, **dict.fromkeys(OF_TORCHS_STACK, own)})

    def lacks(self, features: tuple[str, ...]) -> str | None:
        """The first of these features that is not claimed, with the reason; None where all are."""
        for feature in features:
            if not self.offers(feature):
                claim = self.claims.get(feature)
                why = f": {claim.why}" if claim and claim.why else ""
                return EVERY_FEATURE.get(feature, feature) + why
        return None


def _same_tensors(subject: Subject, named: Named | None) -> bool:
    """Whether a case has the tensors of the subject, and one of the values of each of its options."""
    if subject.named is None or named is None:
        return named is subject.named
    return subject.named.fits(named) and all(value in subject.choices.get(name, ()) for name, value in named.options)


def features_used(case: Case) -> tuple[str, ...]:
    """The features without which this case cannot be run."""
    config = case.config
    used = {
        "layers": config.num_layers > 1,
        "bidirectional": config.bidirectional,
        "batch_first": config.batch_first,
        "time_first": not config.batch_first,
        "bias_off": not config.bias,
        "dropout": config.dropout > 0,
        "proj": config.proj_size > 0,
        "reset_after": config.kind.has(RESET_AFTER) and config.reset_after,
        "reset_before": not config.reset_after,
        "sizes": config.input_size != config.hidden_size,
        "hx": case.hx != "none",
        "hx_none": case.hx == "none",
        "batched": case.batch is not None and case.lengths is None,
        "unbatched": case.batch is None,
        "packed": case.lengths is not None,
        "training": case.training,
        case.dtype: True,
    }
    return tuple(feature for feature, needed in used.items() if needed)
