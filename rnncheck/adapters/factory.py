"""A class or a factory, called with those of torch's constructor arguments that it takes."""

import inspect
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.adapters.build_text import SIZES, class_text
from rnncheck.adapters.cells import Stepwise
from rnncheck.adapters.forms import Form, has_options
from rnncheck.adapters.lazy import drawn
from rnncheck.adapters.placed import placed, require_no_memory
from rnncheck.adapters.probing.declared_claims import OTHER
from rnncheck.adapters.targets.locate import Located
from rnncheck.adapters.torch_layers import ModuleLayer
from rnncheck.adapters.with_lengths import LengthsLayer
from rnncheck.core.config import Config
from rnncheck.core.subject import NotClaimed
from rnncheck.reading import Reading, behind_torchs_call
from rnncheck.reading.parameters.parameter_names import match, own_parameters
from rnncheck.reading.signature import Signature, forward_of, hx_argument, lengths_argument

OPTIONS: Mapping[str, Any] = {
    "num_layers": 1, "nonlinearity": "tanh", "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False,
    "proj_size": 0, "reset_after": True,
}  # fmt: skip
"""torch's optional arguments (and reset_after) with their defaults."""
NATURE = ("nonlinearity", "batch_first", "reset_after")
"""Options that a class without the argument may have by nature: it reads batch-major, or is the textbook's GRU."""
BY_PLACE = '''

class ByPlace({layer}):
    """The same layer, whose call takes {told} by place."""

    def forward(self, input, {taken}):
        named = {named}
        return super().forward(input, **{{name: value for name, value in named.items() if value is not None}})
'''
"""In a script, a class for a layer whose own call takes them by name alone."""
PROBED_SIZE = 8
"""Both sizes of a layer that is built to see whether an argument is taken."""


def options_of(config: Config) -> dict[str, Any]:
    """Every option of torch's constructor, as this configuration has it."""
    return {name: config.kind.activation if name == "nonlinearity" else getattr(config, name) for name in OPTIONS}


@dataclass(frozen=True)
class Constructor:
    """Builds the layer of a Config by calling the target; a cell is made a layer that calls it step by step."""

    target: Located
    is_cell: bool = False
    reading: Reading | None = None
    form: Form | None = None

    def in_form(self, form: Form) -> "Constructor":
        """The same in another of its forms."""
        return replace(self, form=form)

    @cached_property
    def signature(self) -> Signature:
        """What the target takes; where its arguments were found, no others by **."""
        found = self.reading is not None and self.reading.arguments is not None
        return replace(Signature.of(self.target.object), others=False) if found else Signature.of(self.target.object)

    @cached_property
    def refuses_nonlinearity(self) -> bool:
        """Whether the target takes other arguments as **, and there is none of this name where they go."""
        if self.signature.takes("nonlinearity") != "maybe":
            return False
        try:
            with torch.random.fork_rng(devices=[]):
                self.target.object(PROBED_SIZE, PROBED_SIZE, nonlinearity="relu")
        except TypeError as error:
            return "'nonlinearity'" in str(error)
        except Exception:  # it fails for another reason, which the calls that follow say
            return False
        return False

    def __call__(self, config: Config, dtype: torch.dtype, device: torch.device) -> ModuleLayer:
        made = self.make(config, dtype, device)
        if self.reading is not None and self.reading.adapts:
            idle = self.reading.nature.get("idle", ())
            return layer_of(behind_torchs_call(made, self.reading, config, self.make), config, idle)
        return layer_of(Stepwise(made) if self.is_cell else made, config)

    def make(self, config: Config, dtype: torch.dtype, device: torch.device) -> Any:
        """What the target returns for this configuration, of this dtype and on this device."""
        if self.reading is not None:
            self.reading.require_sizes(config)
        places: dict[str, Any] = {"dtype": dtype, "device": device}
        taken = {name: value for name, value in places.items() if name in self.signature.names}
        sizes, options = self.given(config)
        with device if device.type == "meta" else nullcontext():  # production sizes must not be allocated first
            try:
                made = self._in_its_form(self.target.object)(*sizes, **{**options, **taken})
            except TypeError as error:
                self._require_taken(options, error)
                raise
        if device.type == "meta":
            require_no_memory(made)
        if isinstance(made, nn.Module) and len(taken) < len(places):
            made = placed(made, dtype, device)
        return drawn(made, config, self.reading, dtype, device) if isinstance(made, nn.Module) else made

    def _require_taken(self, options: Mapping[str, Any], error: TypeError) -> None:
        """Raise NotClaimed where the error says that an option, which ** would take, is not known where ** goes."""
        for name in options:
            if self.signature.takes(name) == "maybe" and f"unexpected keyword argument '{name}'" in str(error):
                raise NotClaimed(f"the constructor takes no {name}") from None

    def given(self, config: Config) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments of the target, as the reading says or in torch's words."""
        read = None if self.reading is None else self.reading.arguments
        return self.arguments(config) if read is None else read.of(config)

    def _in_its_form(self, target: Any) -> Any:
        """The target, making modules that compute in the form, if there is one."""
        if self.form is None:
            return target
        options, put_on = self.form.options, self.form.put_on
        return lambda *sizes, **named: put_on(target(*sizes, **{**named, **options}))

    def arguments(self, config: Config) -> tuple[tuple[int, ...], dict[str, Any]]:
        """Positional and keyword arguments. An option that has a name is always given: its default may be another."""
        names, sizes = self.signature.size_names(), (config.input_size, config.hidden_size)
        wanted = options_of(config)
        if getattr(self.target.object, "rnncheck_mode", None) == OTHER or self.refuses_nonlinearity:  # it is no RNN of torch's
            del wanted["nonlinearity"]
        if self.reading is not None and config.batch_first == self.reading.batch_first and self.signature.others:
            del wanted["batch_first"]  # so it was read without being told
        always = self.reading.nature if self.reading is not None else {}
        options = {name: value for name, value in wanted.items() if name not in always and self.gives(name, value)}
        return ((), dict(zip(names, sizes, strict=True)) | options) if names else (sizes, options)

    def gives(self, name: str, value: Any) -> bool:
        """Whether the option is passed; raises NotClaimed where it would have to be and cannot."""
        takes, default = self.signature.takes(name), value == OPTIONS[name]
        if default and self.signature.defaults.get(name, value) is None:  # left out, it is None: no projection is not one of size 0
            return False
        if name == "proj_size" and self.signature.defaults.get(name):  # its projection cannot be left out, which 0 would ask for
            takes = "no"
        if takes == "no" and not default and name not in NATURE:
            raise NotClaimed(f"the constructor takes no {name}")
        return takes == "yes" or (takes == "maybe" and not default)

    def source(self) -> str | None:
        """Python lines that bind ``build``, to be called as torch's constructor; None where a script cannot."""
        if self.target.lines is None:
            return None
        reading = self.reading
        adapts = reading is not None and reading.adapts
        target = self._by_place() if self._calls_otherwise() and not adapts else self.target
        if reading is not None and (adapts or not reading.as_torchs):
            return class_text(target, reading, self.given(SIZES), OPTIONS, self.make, is_cell=self.is_cell)
        stepwise = ["from typing import Any", "", "", inspect.getsource(Stepwise).rstrip()]
        head = [str(target.lines), *(stepwise if self.is_cell else [])]
        if self._is_torch_like() and not self.is_cell and not has_options(target.object):
            return "\n".join([*head, f"build = {target.expression}"])
        taken = [name for name in OPTIONS if name in self.signature.names]
        unsaid = {name for name in taken if self.signature.defaults.get(name, OPTIONS[name]) is None}
        known = {*taken, *NATURE, *(() if reading is None else reading.nature)}
        accepted = [f"{name}={None if name in unsaid else OPTIONS[name]!r}" for name in OPTIONS if name in known]
        rest = ["**options"] if self.signature.others else []
        formed = has_options(target.object)
        names = self.signature.size_names()
        sizes = [f"{names[0]}=input_size", f"{names[1]}=hidden_size"] if names else ["input_size", "hidden_size"]
        given = [*sizes, *(f"{name}={name}" for name in taken), *rest, *(["**form"] if formed else [])]
        call = f"{target.expression}({', '.join(given)})"
        made = f"Stepwise({call})" if self.is_cell else call
        parameters = ", ".join(["input_size", "hidden_size", "*", *accepted, *(["form={}"] if formed else []), *rest])
        return "\n".join([*head, "", "", f"def build({parameters}):", f"    return {made}", ""])

    def _by_place(self) -> Located:
        """A class of the target's whose call takes the state as its second argument, and lengths as its third."""
        forward = forward_of(self.target.object)
        own = {"hx": hx_argument(forward).keyword, "lengths": lengths_argument(forward)}
        own = {word: name for word, name in own.items() if name is not None}
        told = "the state and the lengths" if len(own) > 1 else "the state"
        taken, named = (", ".join(f"{word}=None" for word in own), ", ".join(f"{name!r}: {word}" for word, name in own.items()))
        called = BY_PLACE.format(layer=self.target.expression, told=told, taken=taken, named=f"{{{named}}}")
        return replace(self.target, lines=f"{self.target.lines}\n{called.rstrip()}", expression="ByPlace")

    def _calls_otherwise(self) -> bool:
        """Whether the state is not simply the second argument."""
        made = self.target.object
        return isinstance(made, type) and hx_argument(forward_of(made)).keyword is not None

    def _is_torch_like(self) -> bool:
        """Whether torch's own call says the same to this constructor."""
        signature = self.signature
        known = {name: signature.defaults.get(name, OPTIONS[name]) for name in OPTIONS if name in signature.names}
        sizes = signature.positional[:2] in ((), signature.size_names(), ("input_size", "hidden_size"))
        complete = signature.takes("batch_first") != "no"
        return sizes and complete and all(value == OPTIONS[name] for name, value in known.items())


def layer_of(module: Any, config: Config, idle: tuple[str, ...] = ()) -> ModuleLayer:
    """A built module behind the one door, its parameters matched with torch's names where they can be.

    idle: parameters that change nothing that is checked, under the names that the layer itself gives them
    """
    forward, unchecked = forward_of(module), {f"layer.{name}" for name in idle}
    own = [own_parameters(module, shared) for shared in (False, True)]
    looked_at = ([name for name in one if name not in unchecked] for one in own)
    names = next((found for one in looked_at if (found := match(one, config))), None)
    hx, lengths = hx_argument(forward).keyword, lengths_argument(forward)
    if lengths is None:
        return ModuleLayer(module, config.takes_tuple, names, hx)
    call = ByKeyword(lengths, hx)
    return LengthsLayer(module, config.takes_tuple, names, hx, batch_first=config.batch_first, call=call)


@dataclass(frozen=True)
class ByKeyword:
    """Calls a module with lengths under the name that its forward has for them."""

    lengths: str
    hx: str | None

    def __call__(self, module: Any, x: Tensor, hx: Any, lengths: Tensor) -> Any:
        given = {} if hx is None or self.hx is None else {self.hx: hx}
        second = () if hx is None or self.hx is not None else (hx,)
        return module(x, *second, **given, **{self.lengths: lengths})
