"""One property on one trial, to an outcome. The only place that catches what goes wrong in between."""

import re
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from rnncheck.backend.silence import silent_operators
from rnncheck.backend.switches import switched
from rnncheck.backend.unimplemented import in_words, is_unimplemented, lacks_forward_mode
from rnncheck.catalog.tools.conditions import one_direction
from rnncheck.core.case import Case
from rnncheck.core.clip_case import ClipCase
from rnncheck.core.observation import Observation
from rnncheck.core.pair_case import PairCase
from rnncheck.core.plain_text import one_line, plain, said, type_name
from rnncheck.core.property import Property, WrongProperty
from rnncheck.core.step_case import StepCase
from rnncheck.core.subject import Malformed, NotClaimed, Subject
from rnncheck.core.verdict import Outcome
from rnncheck.running.clip_trial import ClipTrial
from rnncheck.running.layout import NEEDS_CONTIGUOUS
from rnncheck.running.pair_trial import PairTrial
from rnncheck.running.step_trial import StepTrial
from rnncheck.running.trial import NotReached, SubjectError, Trial, Unimplemented, seeded

AnyCase = Case | ClipCase | StepCase | PairCase
AnyTrial = Trial | ClipTrial | StepTrial | PairTrial


def trial_of(subject: Subject, case: AnyCase) -> AnyTrial:
    """The subject on this case, as its kind wants it."""
    if isinstance(case, StepCase):
        return StepTrial(subject, case)
    if isinstance(case, PairCase):
        return PairTrial(subject, case)
    return ClipTrial(subject, case) if isinstance(case, ClipCase) else Trial(subject.claiming(case), case)


@contextmanager
def as_the_case_says(case: AnyCase) -> Iterator[None]:
    """Inside, torch's backend switches are the case's, and its warnings are not shown, nor what its compilers log."""
    with switched(getattr(case, "switches", ()), case.device), silent_operators(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def rehearse(trial: AnyTrial) -> None:
    """Make the run that the case's properties share, by itself, so that a crash in it is known for what it is.

    What it raises is not lost: the run is not kept then, and each property that needs it raises it again.
    """
    with suppress(Exception), as_the_case_says(trial.case):
        trial.run  # noqa: B018


UNDECIDED = "inconclusive: rounding alone could account for any difference here"
NOBODY = "it is a convention that a batch without sequences works: see batch.empty"
WITHOUT_AXIS = "it is a convention that input without a batch axis works: see batch.unbatched"
NO_GRADIENT = "does not require grad and does not have a grad_fn"
"""What torch says of a loss that depends on nothing that requires a gradient."""
TOO_SHORT = "in so few steps the output does not depend on the input"
CONTIGUOUS = "it is a convention that input and states may lie in memory in any way: see layout.strides"


def judge(prop: Property, trial: AnyTrial) -> Outcome:
    """Check ``prop`` on ``trial``; a layer of its own that does not handle an unusual batch breaks a convention alone."""
    found = _judged(prop, trial)
    if found.status in ("fails", "errored") and prop.warns_of(found.differing) is None and not is_our_mistake(found):
        unusual = _unusual_batch(trial) or _unusual_memory(trial, found) or _constant(trial, found)
        return found if unusual is None else Outcome(prop.id, "not_applicable", reason=unusual)
    return found


def _unusual_batch(trial: AnyTrial) -> str | None:
    """Return by which convention a layer of its own takes this case; None where it has promised to."""
    if not isinstance(trial, Trial) or trial.subject.drop_in or not trial.subject.offers("batched"):
        return None
    if trial.case.batch is None and trial.subject.nature.get("counts_axes"):  # so it tells the two forms apart
        return None
    return {0: NOBODY, None: WITHOUT_AXIS}.get(trial.case.batch)


def _unusual_memory(trial: AnyTrial, found: Outcome) -> str | None:
    """Return by which convention a layer of its own takes a case that is not contiguous, where it refuses that."""
    if not isinstance(trial, Trial) or trial.subject.drop_in or trial.case.layout == "contiguous":
        return None
    return CONTIGUOUS if re.search(NEEDS_CONTIGUOUS, found.reason or "") else None


def _constant(trial: AnyTrial, found: Outcome) -> str | None:
    """Return why no gradient flows where the output of so few steps is a constant, as of spikes that come some steps late."""
    if not isinstance(trial, Trial) or trial.subject.drop_in or NO_GRADIENT not in (found.reason or ""):
        return None
    try:
        with seeded(trial.case.seed, trial.case.device), as_the_case_says(trial.case):
            other = trial.but(x=1 - trial.x).run.output
            return TOO_SHORT if torch.equal(other, trial.run.output) else None
    except (SubjectError, Malformed):
        return None


def _judged(prop: Property, trial: AnyTrial) -> Outcome:
    """Check ``prop`` on ``trial`` (which is forked: properties share the trial's run, and nothing else).

    A subject that raises is ``errored``, with the last lines of its own traceback. So is a mistake of our own, which
    says so (and which our own tests do not accept): one broken check must not take the other verdicts with it.
    Where the device has no memory left, or rounding could account for any difference, the property is ``not_reached``; what
    torch's own kernels do not implement on this processor is ``not_claimed``.
    """
    unclaimed = out_of_claim(prop, trial.subject, trial.case)
    if unclaimed is not None:
        return unclaimed
    try:
        with seeded(trial.case.seed, trial.case.device), as_the_case_says(trial.case):
            return _outcome(prop, prop.check(trial.fork()))
    except NotClaimed as refusal:
        return Outcome(prop.id, "not_claimed", reason=str(refusal))
    except Unimplemented as error:
        return _unimplemented(prop, error.cause)
    except SubjectError as error:
        if lacks_forward_mode(error.cause) and not trial.subject.drop_in:
            return _unimplemented(prop, error.cause)
        if out_of_memory(error):
            return _no_memory(prop, error)
        return Outcome(prop.id, "errored", reason=_own_traceback(error), cause=cause_of(error))
    except NotReached as missing:
        return Outcome(prop.id, "not_reached", reason=str(missing), elsewhere=True)
    except torch.OutOfMemoryError as error:
        return _no_memory(prop, error)
    except Malformed as error:
        told, reason = (plain(error),), "the result cannot be read; see shape.*"
        return Outcome(prop.id, "errored", mismatches=told, reason=reason, cause=cause_of(error))
    except WrongProperty as mistake:
        return Outcome(prop.id, "errored", reason=str(mistake), cause=str(mistake))
    except Exception as mistake:
        if is_unimplemented(mistake):
            return _unimplemented(prop, mistake)
        return Outcome(prop.id, "errored", reason=our_mistake(mistake))


def _outcome(prop: Property, seen: Observation) -> Outcome:
    """What is concluded from what the property saw."""
    if not seen.parts:
        return Outcome(prop.id, "not_applicable", reason="nothing to compare in this case")
    if not seen.decided:
        return Outcome(prop.id, "not_reached", reason=UNDECIDED, undecided=True)
    used = seen.budget_used if seen.measured else None
    if seen.holds:
        return Outcome(prop.id, "holds", used)
    return Outcome(prop.id, "fails", seen.budget_used, tuple(seen.mismatches()), course=seen.course())


OF_THE_WHOLE = {
    "summed": "both directions are in the same features",
    "sides": "some outputs are of the other direction",
    "decoded": "each output is decoded from a summary of the whole sequence",
}
"""Natures of a layer whose outputs are to depend on later steps too."""

IN_PIECES = (
    "time.split", "time.split_packed", "time.step_by_step", "time.prefill", "time.in_pieces", "time.same_weights", "gradient.split",
)  # fmt: skip
"""Properties for which the second of two calls goes on where the first one ended."""

OF_EARLIER_OUTPUTS = ("time.causal", "argument.steps", "argument.causal", "argument.resets")
"""Properties for which an output depends on no later step."""


def out_of_claim(prop: Property, subject: Subject, case: AnyCase) -> Outcome | None:
    """not_claimed or not_applicable, with the reason; None where the property is to be checked on this case."""
    subject = subject.claiming(case)
    lacking = subject.refuses(case) or subject.lacks(prop.needs)
    if lacking is not None:
        return Outcome(prop.id, "not_claimed", reason=lacking)
    if not prop.applies(case):
        return Outcome(prop.id, "not_applicable", reason=f"applies to: {prop.applies.words}")
    of_the_whole = next((why for name, why in OF_THE_WHOLE.items() if subject.nature.get(name)), None)
    if of_the_whole is not None and prop.applies.includes(one_direction):
        return Outcome(prop.id, "not_claimed", reason=of_the_whole)
    if subject.nature.get("looks_ahead") and prop.id in OF_EARLIER_OUTPUTS:
        return Outcome(prop.id, "not_claimed", reason="its output looks ahead in its call")
    if subject.nature.get("shifted") and prop.id in IN_PIECES:
        return Outcome(prop.id, "not_claimed", reason="each output is of the step before, and a call begins with none")
    if subject.nature.get("positions") and prop.id in IN_PIECES:
        return Outcome(prop.id, "not_claimed", reason="a call is given how many steps come before it: see the family cache")
    if subject.nature.get("clock") and prop.id in IN_PIECES:
        return Outcome(prop.id, "not_claimed", reason="it counts the steps of a call, so that pieces are another sequence")
    return None


OUR_MISTAKE = "a mistake of rnncheck, not of the subject (please report it)"


def is_our_mistake(outcome: Outcome) -> bool:
    """Whether an outcome says nothing about the subject, for it was rnncheck that went wrong."""
    return (outcome.reason or "").startswith(OUR_MISTAKE)


def our_mistake(mistake: Exception) -> str:
    """What went wrong and where, as the mistake of rnncheck that it is."""
    frame = traceback.extract_tb(mistake.__traceback__)[-1]
    return f"{OUR_MISTAKE}: {said(mistake)}\n{frame.filename}:{frame.lineno} in {frame.name}: {frame.line}"


def out_of_memory(error: BaseException | None) -> bool:
    """Whether the device had no memory left: that says nothing about the subject, and the next case may fit again."""
    while error is not None and not issubclass(type(error), torch.OutOfMemoryError):
        error = BaseException.__dict__["__cause__"].__get__(error)
    return error is not None


def _no_memory(prop: Property, error: Exception) -> Outcome:
    return Outcome(prop.id, "not_reached", reason=f"the device ran out of memory: {one_line(plain(error).partition(chr(10))[0])}")


def _unimplemented(prop: Property, error: BaseException) -> Outcome:
    return Outcome(prop.id, "not_claimed", reason=in_words(error), elsewhere=True)


TORCH = str(Path(torch.__file__).parent)
CALLED_THROUGH = ("_call_impl", "_wrapped_call_impl")
"""Frames of torch.nn.Module that lie between every call and the module's forward."""


def _own_traceback(error: SubjectError) -> str:
    """What the subject raised and where, without our own frames above it."""
    frames = _own_frames(error)
    written = [frame for frame in frames if not _torch_own(frame)] or frames
    lines = [one_line(f"{frame.filename}:{frame.lineno} in {frame.name}: {frame.line}") for frame in written[-3:]]
    return "\n".join([plain(error), *lines])


def _torch_own(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(TORCH)


def _own_frames(error: SubjectError) -> list[traceback.FrameSummary]:
    try:
        frames = traceback.extract_tb(BaseException.__dict__["__traceback__"].__get__(error.cause))
    except Exception:  # the loader of the subject's module has the last word on its source
        return []
    foreign = [frame for frame in frames if "/rnncheck/" not in frame.filename.replace("\\", "/")]
    return [frame for frame in foreign if frame.name not in CALLED_THROUGH]


VARYING = re.compile(r"0x[0-9a-f]+|\b(?:c10::)?(?:b?float|double|half|long|int|bool)\d*\b|\d+", re.IGNORECASE)
"""What differs from case to case in the message of one and the same error: addresses, dtypes and sizes."""


def cause_of(error: SubjectError | Malformed) -> str:
    """What was raised and where, without sizes and dtypes."""
    places = [f"{frame.filename}:{frame.lineno}" for frame in _own_frames(error)] if isinstance(error, SubjectError) else []
    raised = error.cause if isinstance(error, SubjectError) else error
    return " ".join([*places[-1:], type_name(raised), VARYING.sub("*", plain(raised))])
