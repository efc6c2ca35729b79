"""Properties of your own: declared beside your code; judged, shrunk, reported and replayed like those of the catalog."""

import difflib
import functools
import inspect
import re
import traceback
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from rnncheck.backend.unimplemented import is_unimplemented
from rnncheck.catalog import CATALOG, FAMILIES
from rnncheck.core.case import Case
from rnncheck.core.features import FEATURES
from rnncheck.core.observation import Observation, fact
from rnncheck.core.plain_text import quoted, said
from rnncheck.core.property import Condition, Kind, Property, WrongProperty, anywhere
from rnncheck.core.subject import Malformed, NotClaimed
from rnncheck.errors import UsageError
from rnncheck.running.trial import NotReached, SubjectError, Unmeasurable

ID = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*", re.ASCII)
NOT_ITS_OWN = (SubjectError, Malformed, NotClaimed, NotReached, Unmeasurable, torch.OutOfMemoryError)
"""What a check may raise without being wrong itself."""

Written = TypeVar("Written", bound=Callable[..., Any])


def property(
    id: str,
    *,
    formula: str = "as its code says",
    source: str = "your own",
    kind: Kind = "invariant",
    applies: Callable[[Case], bool] | None = None,
    needs: tuple[str, ...] = (),
    cost: int = 2,
) -> Callable[[Written], Written]:
    """Declare the decorated function as a property of recurrent layers, under an id such as ``mine.monotone``.

    The function is given a trial: ``trial.x`` is the input (time, batch, input_size), ``trial.run.output`` the output
    (time, batch, features), ``trial.run.h_n`` the final state, ``trial.but(x=...)`` the same case on another input. It returns True
    or False, or what ``trial.same``, ``rnncheck.near`` or ``rnncheck.within`` return. Its docstring is the statement.

    Args:
        id: a family and a name, with a dot between
        formula: shown by ``rnncheck explain``, as is ``source``
        applies: whether it speaks of a case; by default of every one
        needs: the features that a layer must offer for it, such as ``("hx",)``
        cost: how long one check takes, in calls of the layer

    Raises UsageError where the id is taken or has no dot, and where the function cannot be one.

    Examples:
        >>> @property("doctest.finite")
        ... def finite(trial):
        ...     "The output of moderate input is finite."
        ...     return bool(trial.run.output.isfinite().all())
    """
    _check_id(id)
    _check_needs(id, needs)
    where = anywhere if applies is None else Condition(f"cases that {id} speaks of", applies)

    def declare(check: Written) -> Written:
        _check_function(id, check)
        _check_free(id, check)
        statement = " ".join((check.__doc__ or "").split("\n\n")[0].split())
        CATALOG[id] = Property(id, statement, formula, source, kind, where, _guarded(id, check), tuple(needs), cost=cost)
        return check

    return declare


def _check_id(id: object) -> None:
    if callable(id):
        raise UsageError('rnncheck.property needs an id: write @rnncheck.property("mine.monotone") above the function')
    if not isinstance(id, str) or not ID.fullmatch(id):
        raise UsageError(f"property id = {quoted(id)}, but should be a family, a dot and a name, such as mine.monotone")
    family, _, name = id.partition(".")
    if family in FAMILIES:
        hint = f"choose another, as in mine.{name}"
        raise UsageError(f"property id = {quoted(id)}, but the family {family} is rnncheck's own; {hint}")


def _check_needs(id: str, needs: object) -> None:
    if isinstance(needs, str) or not isinstance(needs, tuple | list):
        raise UsageError(f"{id}: needs = {quoted(needs)}, but should be a tuple of features, such as ('hx',)")
    for feature in needs:
        if feature not in FEATURES:
            close = difflib.get_close_matches(str(feature), FEATURES, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; should be one of {', '.join(FEATURES)}"
            raise UsageError(f"{id}: needs = {quoted(feature)}, but there is no such feature{hint}")


def _check_function(id: str, check: Any) -> None:
    if not callable(check) or isinstance(check, type):
        raise UsageError(f"{id}: is a {type(check).__name__}, but should be a function of a trial: def check(trial)")
    try:
        inspect.signature(check).bind(None)
    except TypeError:
        came, wanted = f"{check.__name__}{inspect.signature(check)}", f"def {check.__name__}(trial)"
        raise UsageError(f"{id}: the function is {came}, but should take one argument, the trial: {wanted}") from None
    if not (check.__doc__ or "").strip():
        raise UsageError(f"{id}: has no statement; write a docstring: one sentence that says what must hold")


def _check_free(id: str, check: Any) -> None:
    """The same function may be declared again, as a file is when it has changed."""
    taken = CATALOG.get(id)
    if taken is not None and _place(taken.check) != _place(check):
        raise UsageError(f"property id = {quoted(id)} is taken by {' in '.join(_place(taken.check))}; choose another name")


def _place(check: Any) -> tuple[str, str]:
    code = getattr(inspect.unwrap(check), "__code__", None)
    return getattr(check, "__qualname__", str(check)), "?" if code is None else code.co_filename


def _guarded(id: str, check: Callable[[Any], Any]) -> Callable[[Any], Observation]:
    """The check with what it raises of its own told as its own mistake, and True or False as an observation."""

    @functools.wraps(check)
    def guarded(trial: Any) -> Observation:
        try:
            return _observed(id, check(trial))
        except NOT_ITS_OWN:
            raise
        except Exception as mistake:
            if is_unimplemented(mistake) or isinstance(mistake, WrongProperty):
                raise
            raise WrongProperty(f"a mistake in {id} itself: {said(mistake)}{_line_of(mistake, check)}") from mistake

    return guarded


def _observed(id: str, seen: object) -> Observation:
    if isinstance(seen, Observation):
        return seen
    if isinstance(seen, bool) or (isinstance(seen, Tensor) and seen.dtype == torch.bool and seen.numel() == 1):
        return fact(f"what {id} returns", bool(seen), bool(seen), True)
    came = type(seen).__name__
    raise WrongProperty(f"a mistake in {id} itself: it returns a {came}, but should return True, False or what trial.same returns")


def _line_of(mistake: Exception, check: Callable[[Any], Any]) -> str:
    """Where in the check's own file it was raised."""
    file = cast(Any, inspect.unwrap(check)).__code__.co_filename
    own = [frame for frame in traceback.extract_tb(mistake.__traceback__) if frame.filename == file]
    return f" ({file}:{own[-1].lineno})" if own else ""
