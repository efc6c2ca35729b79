"""A script that does to a layer what was done in its life, as little of it as is needed, and compares it with a new one."""

from collections.abc import Callable, Mapping
from typing import Any

from rnncheck.catalog.tools.lifecycle import Life
from rnncheck.catalog.tools.lifecycle_operations import (
    drawn_parameter,
    in_drawn_order,
    in_the_other_form,
    other_dtypes,
    owner,
    perform,
)
from rnncheck.core.case import DTYPES, Case
from rnncheck.core.property import Property
from rnncheck.core.subject import Malformed, Subject
from rnncheck.repro.literal import literal
from rnncheck.repro.preamble import building, run_lines, stage
from rnncheck.running.trial import SubjectError, Trial, seeded

_HEAD = '''
import copy
import pickle


def values(layer):
    return {{name: p.detach().clone() for name, p in layer.named_parameters()}}


def check(layer, told, expected=None):
    """In eval the layer returns what a new one with its parameters returns, up to a few roundoffs."""
    new, training, before = {build}, layer.training, values(layer)
    new.load_state_dict({{**new.state_dict(), **(expected or values(layer))}})
    layer.eval(), new.eval()
    with torch.no_grad():
        found, expected = run(layer, x, state), run(new, x, state)
    layer.train(training)
    unchanged(layer, before, f"after {{told}}, eval() and back")
    for name, should in expected.items():
        close = 256 * torch.finfo(should.dtype).eps
        print(f"after {{told}}: {{name}} is off by {{(found[name] - should).abs().max().item():.3g}}")
        assert torch.allclose(found[name], should, rtol=close, atol=close), f"after {{told}}: {{name}} is not a new layer's"


def frozen(layer):
    """The parameters that do not require gradients."""
    return sorted(name for name, p in layer.named_parameters() if not p.requires_grad)


def use(layer, x, state):
    """A call, with gradients in train() only."""
    with torch.set_grad_enabled(layer.training):
        return run(layer, x, state)


def unchanged(layer, before, told):
    for name, p in values(layer).items():
        assert p.dtype == before[name].dtype and torch.equal(p, before[name]), f"{{name}} has changed: {{told}}"


layer.eval()
'''
_COPIED = """before, copied = values(layer), {copied}
with torch.no_grad():
    for p in layer.parameters():
        p.zero_()
layer = copied
unchanged(layer, before, "the original of a copy was zeroed")"""
_STEP = """optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
training = layer.training
layer.train()
sum(part.sum() for part in run(layer, x, state).values()).backward()
torch.nn.utils.clip_grad_value_(layer.parameters(), 0.1)
optimizer.step()
optimizer.zero_grad()
layer.train(training)"""
_HALVED = """class Halved(torch.nn.Module):
    def forward(self, parameter):
        return parameter / 2


expected = values(layer)
expected[{name!r}] = expected[{name!r}] / 2
place = layer.get_submodule({module!r}), {attribute!r}
torch.nn.utils.parametrize.register_parametrization(*place, Halved())
check(layer, "parametrizing {name}", expected)
torch.nn.utils.parametrize.remove_parametrizations(*place, leave_parametrized=True)"""
_LOADED = """model = torch.nn.ModuleDict({"encoder": layer})
given = {name: -value for name, value in model.state_dict().items()}
before = {name: -value for name, value in values(layer).items()}
model.load_state_dict({name: value.double() for name, value in given.items()})
unchanged(layer, before, "it is not what was given to load_state_dict in double precision")
model.load_state_dict(given)
unchanged(layer, before, "it is not what was given to load_state_dict")
for value in given.values():
    value.zero_()
unchanged(layer, before, "what was given to load_state_dict was zeroed")"""
_CALL = "before = values(layer)\nuse(layer, x, state)\nunchanged(layer, before, 'after a call')"


def life(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the property is not about what is done to a layer."""
    if prop.id != "life.machine" or not isinstance(case, Case):
        return None
    with seeded(case.seed, case.device):
        trial = Trial(subject, case)
        begun = Life.begin(trial)
        done = _lived(begun, _needed(subject, case, in_drawn_order(begun)))
        staged = stage(begun.trial, training=False, equations=False)
        return "\n".join([*staged, _HEAD.format(build=building(case.config, case)), *done, ""])


def _needed(subject: Subject, case: Case, names: list[str]) -> list[str]:
    """The shortest history that ends as this one does, found by leaving out one operation after the other."""
    end = _end(subject, case, names)
    for name in list(names):
        fewer = [other for other in names if other != name]
        names = fewer if _end(subject, case, fewer) == end else names
    return names


def _end(subject: Subject, case: Case, names: list[str]) -> str:
    """How this history ends: well, badly, or with which exception."""
    one = Life.begin(Trial(subject, case))
    try:
        return "well" if all(perform(one, name).holds for name in names) else "badly"
    except SubjectError as error:
        return type(error.cause).__name__
    except Malformed:
        return "badly"


def _lived(one: Life, names: list[str]) -> list[str]:
    """What is done, as Python, up to where it goes wrong."""
    frozen = one.frozen()
    lines = [f"layer.get_parameter({name!r}).requires_grad_(False)" for name in frozen]
    for name in names:
        lines += [f"# {name}", _LINES[name](one)] if name in _LINES else [f"# {name}"]
        try:
            holds = perform(one, name).holds
        except (SubjectError, Malformed):
            holds = False
        lines += [_resized(one)] if name in RESIZING else []
        lines += [f"check(layer, {', '.join(one.done)!r})"]
        lines += [f"assert frozen(layer) == {frozen}, f'frozen parameters are {{frozen(layer)}}'"] if frozen else []
        if not holds:
            break
    return lines


RESIZING = ("another time", "another batch", "another hx")


def _resized(one: Life) -> str:
    state, lengths = literal(one.trial.state or ()), one.trial.lengths
    told = [] if lengths is None else [f"lengths = tensor({list(lengths)})"]
    return "\n".join([f"x = {literal(one.trial.x)}", f"state = {state}", *told, _CALL])


def _other_form(one: Life) -> str:
    here = one.trial

    def turned_to(trial: Trial) -> list[str]:
        lengths = trial.lengths or (trial.time,) * trial.batch
        return ["", "", *run_lines(trial), "", "", f"lengths = tensor({list(lengths)})", _CALL]

    told = f"check(layer, {', '.join(one.done + ['packed or padded'])!r})"
    return "\n".join([*turned_to(in_the_other_form(here)), told, *turned_to(here)])


def _other_dtype(one: Life) -> str:
    here, others = one.trial, other_dtypes(one)
    other, own = DTYPES[others[here.draw("dtype", 0, len(others) - 1)]], here.case.torch_dtype
    return f"layer.to({other})\nuse(layer, x.to({other}), [part.to({other}) for part in state])\nlayer.to({own})"


def _parametrized(one: Life) -> str:
    parameter = one.layer.parameters()[drawn_parameter(one)]
    place = owner(one, parameter)
    assert place is not None
    name = next(name for name, own in one.module.named_parameters() if own is parameter)
    return _HALVED.format(name=name, module=name.rpartition(".")[0], attribute=place[1])


_LINES: Mapping[str, Callable[[Life], str]] = {
    "call": lambda one: _CALL,
    "train": lambda one: f"layer.train()\n{_CALL}",
    "eval": lambda one: f"layer.eval()\n{_CALL}",
    "to(dtype) and back": _other_dtype,
    "packed or padded": _other_form,
    "load_state_dict": lambda one: _LOADED,
    "deepcopy": lambda one: _COPIED.format(copied="copy.deepcopy(layer)"),
    "pickle": lambda one: _COPIED.format(copied="pickle.loads(pickle.dumps(layer))"),
    "optimizer step": lambda one: _STEP,
    "parametrize": _parametrized,
    "another dropout": lambda one: f"layer.dropout = {0.0 if one.dropout else 0.5}\n{_CALL}",
}
"""Each operation as Python; those that bring another input are written after they are done."""
