"""What is known of a target: which argument and which result is what, on which axes, and how that is known."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rnncheck.core.config import Config
from rnncheck.core.further import Further
from rnncheck.core.kinds import OF_ITS_OWN
from rnncheck.core.subject import NotClaimed
from rnncheck.reading.adapter.adapted import FLAT, HOW, ORDERS, PICTURE
from rnncheck.reading.adapter.given_beside import NODES
from rnncheck.reading.calls.experiment import HIDDEN, INPUT
from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.parameters.arrangement import Arrangement
from rnncheck.reading.said import WORDS, plain

PIXELS = {False: None, True: "an image", "row": "a row of pixels"}
Known = Literal["annotation", "signature", "experiment", "said by the user"]
"""How a part of a reading is known."""


@dataclass(frozen=True)
class Reading:
    """How a layer is built and called, and what comes back.

    kind:      "layer", or "cell", which is called once a step
    arguments: how the constructor takes its sizes and options; None: as torch's, or under usual names
    how:       how it is called, where that is not as rnncheck.reading.adapter.adapted.HOW says
    plain:     whether that is how torch's layers are called
    batch_first: whether it reads (batch, time, features) without being told; None where an option says it, or a call cannot
    nature:    what of a configuration it always has, such as two directions
    parts:     parts of hidden_size features in the state of one layer and direction: 1, 2 for h and c, or more
    known:     for each part of the reading, how it is known
    notes:     arguments that are left out, and options whose other values are not looked at
    unread:    what may be a state, or outputs, and is not read
    idle:      whether a part of the state comes back as it went in, so that it is none
    moves:     what training moves, so that it is judged in eval(): batch norm, or a buffer of a part that is torch's own
    further:   arguments of a call that properties of their own vary
    arrangement: how its own parameters hold those of torch's layer; None where that is not known, or torch's names say it
    nearly: which layer it is with one change: "torch.nn.LSTM, except that …"; None where none is known
    sizes, layers, directions: of the configuration that was read; sizes: of input and state
    seen: what other configurations showed
    """

    kind: Literal["layer", "cell"] = "layer"
    arguments: Arguments | None = None
    how: Mapping[str, Any] = field(default_factory=dict)
    plain: bool = True
    batch_first: bool | None = None
    nature: Mapping[str, Any] = field(default_factory=dict)
    parts: int = 1
    pair: bool = False
    known: Mapping[str, Known] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    idle: bool = False
    moves: str = ""
    further: tuple[Further, ...] = ()
    arrangement: Arrangement | None = None
    nearly: str | None = None
    sizes: tuple[int, int] = (INPUT, HIDDEN)
    layers: int = 1
    directions: int = 1
    seen: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def as_torchs(self) -> bool:
        """Whether it is built and called as torch's layers are."""
        return self.plain and self.arguments is None and self.arrangement is None

    @property
    def adapts(self) -> bool:
        """Whether an adapter stands between torch's call and the layer."""
        return not self.plain or self.arrangement is not None

    @property
    def called(self) -> Mapping[str, Any]:
        """How it is called, in full."""
        return {**HOW, **self.how}

    @property
    def only(self) -> Config | None:
        """The one configuration of a layer whose constructor takes no sizes; None for others."""
        if self.arguments is None or self.arguments.own is None:
            return None
        mode = OF_ITS_OWN[1 + self.pair] if self.arrangement is None else self.arrangement.mode
        always = {name: self.nature[name] for name in ("bias", "bidirectional", "num_layers") if name in self.nature}
        return Config(mode, *self.arguments.own, batch_first=bool(self.called["batch_first"])).but(**always)

    def require_sizes(self, config: Config) -> None:
        """Raise NotClaimed where the constructor is known to refuse a size."""
        sizes = (("input_size", config.input_size), ("hidden_size", config.hidden_size))
        known = (self.nature.get(word, (1, 1)) for word in ("multiples", "least"))
        for (name, size), step, least in zip(sizes, *known, strict=True):
            if size % step:
                raise NotClaimed(f"the constructor takes a {name} that is a multiple of {step}")
            if size < least:
                raise NotClaimed(f"the constructor takes no {name} below {least}")

    @property
    def _turned(self) -> str | None:
        """The axes of an output that has them in another order than the input."""
        axes = "(time, batch, features)" if self.called["batch_first"] == self.called["turned"] else "(batch, time, features)"
        return axes if self.called["turned"] or self.called["features_last"] else None

    @property
    def not_looked_at(self) -> tuple[str, ...]:
        """Return what no verdict speaks of, in words."""
        how = self.called
        return (
            *([f"what {f'{self.moves} does' if self.moves else 'random numbers do'} in training"] if how["eval"] else []),
            *(["whether the state that comes back as it went in should move"] if self.idle else []),
            *([f"whether the output should be {turned}, as the input is not"] if (turned := self._turned) else []),
            *([f"sequences in pieces: its steps are counted, by {count}"] if (count := self.nature.get("clock")) else []),
            *self.unread, *self.notes,
        )  # fmt: skip

    def as_text(self) -> str:
        """The reading as TOML that can be edited and given back with ``--read``; what is as usual is left out."""
        how = {**self.called, "states": self.called["states"] or []}
        told: dict[str, Any] = {"kind": self.kind, **_sizes(self.arguments)}
        told |= {word: plain(how[word]) for word in WORDS if word in how and how[word] is not None and how[word] != HOW[word]}
        told |= {"batch_first": how["batch_first"]} if self.kind == "layer" else {}
        told |= {"decoded": True} if self.nature.get("decoded") else {}
        told |= {word: True for word in ("looks_back", "looks_ahead") if self.nature.get(word)}
        return "\n".join(f"{word} = {_toml(value)}" for word, value in told.items())

    def words(self) -> str:
        """The reading in one line, for the head of a report."""
        how = self.called
        step = {None: "(batch, features)", 0: "(1, batch, features)", 1: "(batch, 1, features)"}[how["step_axis"]]
        numbers = "(batch, time), each input a number" if self.batch_first else "(time, batch), each input a number"
        axes = {
            "numbers": numbers, "channels first": "(batch, features, time)", PICTURE: "(batch, features, 1, time)",
            "step": f"{step}, one step per call",
        }.get(how["input"])  # fmt: skip
        flat = "(batch*time, features)" if self.batch_first else "(time*batch, features)"
        axes = flat if how["input"] == FLAT else axes
        axes = f"({how['input'].replace(' ', ', ')})" if how["input"] in ORDERS else axes
        major = "(batch, time, features)" if self.batch_first else "(time, batch, features)"
        state = "no state comes back" if how["states"] is None else f"state {'(h, c)' if self.pair else 'h'}"
        if self.parts > 1 and not self.pair:
            state = f"state of {self.parts} tensors or parts"
        back = self.nature.get("looks_back") and not self.nature.get("looks_ahead")
        start, first = self.nature.get("start"), ", longest first" if how["longest_first"] else ""
        own = None if self.arguments is None else self.arguments.own
        told = [
            axes or major, state,
            *([f"always input_size {own[0]} and hidden_size {own[1]}"] if own else []),
            *([f"each feature a channel of {of_pixels}"] if (of_pixels := PIXELS[how["images"]]) else []),
            *([f"each feature at each of {len(NODES)} nodes"] if how["nodes"] else []),
            *(["token ids, each with a vector of the input"] if how["ids"] else []),
            *(["two directions"] if self.nature.get("bidirectional") else []),
            *(["two directions in the same features"] if self.nature.get("summed") else []),
            *([f"{joint} join its layers"] if (joint := self.nature.get("joined")) else []),
            *(["decodes a summary of the whole sequence"] if self.nature.get("decoded") else []),
            *(["each output is of the step before"] if self.nature.get("shifted") else []),
            *([f"its steps are counted, by {count}"] if (count := self.nature.get("clock")) else []),
            *(["the output looks ahead in its call"] if self.nature.get("looks_ahead") else []),
            *(["the output looks back over its call"] if back else []),
            *([f"output {turned}"] if (turned := self._turned) else []),
            *({0: ["each output is a number"], 1: []}.get(how["feature_axes"], [f"{how['feature_axes']} axes of features as one"])),
            *(["steps and rows in one axis of the output"] if how["merged"] and how["input"] != FLAT else []),
            *([f"{self.nature['num_layers']} layers"] if self.nature.get("num_layers", 1) > 1 else []),
            *(["returns only the last output"] if how["last"] else []),
            *([f"{how['lengths'][0]}: {how['lengths'][1]}{first}"] if how["lengths"] else []),
            *([f"{self.moves or 'random'} in training: judged in eval()"] if how["eval"] else []),
            *([f"{how['reset'][0]}() before each call"] if how["reset"] else []),
            *([f"with {', '.join(how['asks'])}"] if how["asks"] else []),
            *([f"{how['input_name']} is the input"] if how["input_name"] not in (None, "input") else []),
            *([f"{how['kept']} kept from call to call: as built before each"] if how["kept"] else []),
            *([f"begins from {', '.join(start)} unless a state is given: judged with one"] if start else []),
            *(["a part of the state comes back as it went in"] if self.idle else []),
            *([f"nearly {self.nearly}"] if self.nearly else []),
            *([f"parameters: {self.arrangement.words()}"] if self.arrangement else []),
            *([f"beside it {'; '.join(one.words for one in self.further)}"] if self.further else []),
            *([f"not looked at: {', '.join((*self.unread, *self.notes))}"] if self.unread or self.notes else []),
        ]  # fmt: skip
        return ", ".join(told)


def _sizes(arguments: Arguments | None) -> dict[str, str]:
    """The names of the constructor's arguments for the sizes, where each is one name."""
    if arguments is None or arguments.bundle is not None:
        return {}
    places = {"input_size": arguments.input, "hidden_size": arguments.hidden}
    return {word: names[0] for word, names in places.items() if len(names) == 1 and isinstance(names[0], str)}


def _toml(value: Any) -> str:
    """A flag, number, string or list as TOML writes it."""
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else json.dumps(value)
