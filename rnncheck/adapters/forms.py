"""Other forms of one recurrence that a class declares: ``rnncheck_forms = {"parallel": run_at_once, "chunks": {"chunk": 16}}``."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, get_args, get_origin

from rnncheck.core.plain_text import quoted
from rnncheck.errors import UsageError

ATTRIBUTE = "rnncheck_forms"


@dataclass(frozen=True)
class Form:
    """How a form is had: by options of the constructor, or by a function that is called in place of forward."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    forward: Callable[..., Any] | None = None

    def put_on(self, module: Any) -> Any:
        """The module, computing in this form; one that the constructor's options have put there already stays as it is."""
        if self.forward is not None:
            module.forward = partial(self.forward, module)
        return module


def declared_forms(target: Any, name: str) -> dict[str, Form]:
    """The forms that a class (or an object) declares, by name; none where it declares none.

    rnncheck_forms is a dict, from a name to a function with the arguments of ``forward``, the name of a method, or a dict of the
    constructor's options; or the name of one option of the constructor whose type is a Literal: then each value is a form.

    Raises UsageError on anything else.
    """
    said = getattr(target, ATTRIBUTE, {})
    if isinstance(said, str):
        return _of_option(target, name, said)
    if not isinstance(said, Mapping) or not all(isinstance(key, str) for key in said):
        raise UsageError(f"{name}: {ATTRIBUTE} is {quoted(said)}, but should be a dict, a form's name -> a function or options")
    return {key: _form(target, name, key, value) for key, value in said.items()}


def has_options(target: Any) -> bool:
    """Return whether a form that it declares is had by options of its constructor."""
    return any(form.options for form in declared_forms(target, "").values())


def _form(target: Any, name: str, key: str, value: Any) -> Form:
    made = target if isinstance(target, type) else type(target)
    if isinstance(value, str) and callable(getattr(made, value, None)):
        return Form(key, forward=getattr(made, value))
    if isinstance(value, Mapping):
        for option in value:
            _parameter(target, name, str(option))
        return Form(key, options=dict(value))
    if callable(value):
        return Form(key, forward=value)
    wanted = "a function like forward, the name of a method, or a dict of the constructor's options"
    raise UsageError(f"{name}: {ATTRIBUTE}[{key!r}] = {quoted(value)}, but should be {wanted}")


def _of_option(target: Any, name: str, option: str) -> dict[str, Form]:
    """A form for each value of an option but its default."""
    parameter = _parameter(target, name, option)
    if get_origin(parameter.annotation) is not Literal:
        wanted = f"a Literal of the forms, as in {option}: Literal['loop', 'chunk'] = 'loop'"
        raise UsageError(f"{name}: {ATTRIBUTE} = {option!r}, but the option's type is not {wanted}")
    values = (value for value in get_args(parameter.annotation) if value != parameter.default)
    return {str(value): Form(str(value), options={option: value}) for value in values}


def _parameter(target: Any, name: str, option: str) -> inspect.Parameter:
    known = inspect.signature(target, eval_str=True).parameters if isinstance(target, type) else {}
    if option not in known:
        there = ", ".join(known) or "nothing, for it exists already: name its class"
        raise UsageError(f"{name}: {ATTRIBUTE} speaks of the option {option!r}, but the constructor takes {there}")
    return known[option]
