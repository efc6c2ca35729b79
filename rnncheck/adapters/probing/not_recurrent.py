"""Why a subject cannot be judged, and the wrapper that would help."""

from torch import Tensor

from rnncheck.adapters.factory import Constructor
from rnncheck.adapters.probing.ground import Baseline, root, said
from rnncheck.adapters.probing.settle import reading_of
from rnncheck.core.subject import Malformed, Subject
from rnncheck.reading.constructor.candidates import candidates
from rnncheck.reading.fewer_steps import STEPS, steps_back
from rnncheck.reading.one_row import ONE_ROW
from rnncheck.reading.wrappers import skeleton, wrapper
from rnncheck.running.trial import SubjectError, subject_boundary


class NotRecurrent(Exception):
    """Nothing that could be judged can be run; the message says why."""


REFUSES = "its constructor refuses every configuration"
NAME_A_FACTORY = "; name a factory (input_size, hidden_size) -> layer"
LACKS = "required positional argument"
"""What Python says where a state, say, must be given."""
NO_LAYER = "no recurrent layer as torch's are"
SHORTENED = "it returns"
"""How the reason begins where a layer returns another number of steps than it is given."""
WRAPPED = "wrapped.py, then rnncheck verify wrapped.py:Wrapped"
"""Where the code of a wrapper goes, and what to do with it."""


def why_not(reasons: list[BaseException], call: str) -> str:
    malformed = next((root(reason) for reason in reasons if isinstance(root(reason), Malformed)), None)
    if malformed is not None:
        return f"{NO_LAYER}: {said(malformed)}; wrap it in a module that returns just that"
    first = next((reason for reason in reasons if LACKS not in said(root(reason))), reasons[0])  # it says more of the layer
    if isinstance(first, SubjectError) and first.doing == "building":
        why = said(root(first))
        return f"{REFUSES}: {why}{NAME_A_FACTORY}"
    why = f"it cannot be called as a recurrent layer: {said(root(first))}"
    return (
        f"{why}; it is called as {call}: wrap what wants another call in a module that takes this one (docs/layers.md shows some)"
    )


def require_steps_and_rows(start: Baseline) -> None:
    """Raise NotRecurrent where the output has other axes than the input, and a wrapper would give it the right ones."""
    output, build = start.output, start.subject.build
    if reading_of(start.subject) is not None or not isinstance(build, Constructor) or not isinstance(output, Tensor):
        return
    other_axes = start.case.batch is not None and output.dim() != 3
    if other_axes and (output.dim() > 3 or wrapper(build.target.object, None, None)):
        flat = "; flatten what lies behind the batch axis, for a fixed number of nodes or pixels" if output.dim() > 3 else ""
        raise NotRecurrent(f"the output has shape {tuple(output.shape)} for an input (time, batch, features){flat}")


def require_sizes(start: Baseline) -> None:
    """Raise NotRecurrent where the output is as wide as any input, and no argument of the constructor is a size."""
    output, build, config = start.output, start.subject.build, start.case.config
    unread = reading_of(start.subject) is None and start.subject.reference is None
    if not unread or not isinstance(build, Constructor) or not isinstance(output, Tensor):
        return
    named = any(isinstance(place, str) for one in candidates(build.target.object) for place in one.hidden)
    if not named and output.dim() > 1 and output.shape[-1] == config.input_size:  # also where both sizes had to be the same
        raise NotRecurrent(f"its constructor takes no sizes{NAME_A_FACTORY}")


def why_shortened(subject: Subject) -> str | None:
    """Why a layer is refused that returns another number of steps than it is given; None where it does not."""
    build = subject.build
    with subject_boundary("probing"):
        back = steps_back(build.target.object) if isinstance(build, Constructor) and not build.is_cell else None
    if back is None:
        return None
    return (
        f"{SHORTENED} {back} steps for {STEPS[0]}, but a recurrent layer should return an output for each step; "
        "name the recurrent layer inside it, or a module of what comes behind the change of steps"
    )


def with_wrapper(subject: Subject, reason: str) -> str:
    """The code of a wrapper, where a class or a factory is refused: one that is read, or one to fill in where it may be a layer."""
    build = subject.build
    if not isinstance(build, Constructor) or subject.said:
        return ""
    of = build.target.object, build.target.lines, build.target.expression
    with subject_boundary("probing"):
        found = wrapper(*of)
    if found is None and (build.is_cell or reason.startswith((NO_LAYER, SHORTENED, ONE_ROW))):
        return ""
    return with_skeleton(subject) if found is None else f"; this wrapper is read: {WRAPPED}\n\n{found}"


def with_skeleton(subject: Subject) -> str:
    """The code of a wrapper to fill in, where a class or a factory is refused."""
    build = subject.build
    if not isinstance(build, Constructor) or subject.said:
        return ""
    with subject_boundary("probing"):
        code = skeleton(build.target.object, build.target.lines, build.target.expression)
    return f"; fill in the dots of this wrapper: {WRAPPED}\n\n{code}"
