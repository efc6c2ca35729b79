"""Fuzzes the readers of files: mutated case files, bundles, reports and configurations.

    python bench/readers.py [cases] [seed]

Each mutant is read as a user's file would be. It is accepted, or refused with one line that names it; anything else (another
exception, a message of several lines, more than a second of processor time) is printed, with the seed that makes it again, and the
exit code is 1.
"""

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from rnncheck.adapters.targets import resolve
from rnncheck.bundle.file import KEY, _digest, read, write
from rnncheck.bundle.record import recording
from rnncheck.campaign.probing import probe_all
from rnncheck.campaign.store import Stored
from rnncheck.campaign.store import load as load_case
from rnncheck.campaign.store import save as save_case
from rnncheck.core.case import Case
from rnncheck.core.clip_case import ClipCase, Gradient
from rnncheck.core.config import Config
from rnncheck.errors import UsageError
from rnncheck.faces.config_file import read_config
from rnncheck.faces.gate import _baseline

SLOW = 1.0
LONGEST_MESSAGE = 2_000
DEEP = "[" * 20_000 + "]" * 20_000
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**12, 10**30, 10**200, 0.5, -0.0, float("inf"), float("-inf"), float("nan"),
    1e308, "", "cpu", "cuda", "cuda:99", "normal", "none", "\x00", "\ud800", "::stop-commands::", "\x1b]0;t\x07", "x" * 100_000,
    [], {}, [[]], [None],
    {"a": 1}, ["none"], [0] * 1000, "inf", "nan",
]  # fmt: skip
CONFIG = """
[tool.rnncheck]
targets = ["mine.py:MyLSTM"]
against = "torch.nn.LSTM"
properties = ["time.*"]
profile = "smoke"
budget = "60s"
max_examples = 10
seed = 3
coverage = 0.5
devices = ["cpu"]

[[tool.rnncheck.deviations]]
property = "gradient.second"
reason = "known"
where = { dtype = ["float16"], time = { below = 3 } }
expires = 2027-06-30
case = "case.json"
"""


def places(data: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, as a way to it."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [way, *(place for key, value in inner for place in places(value, (*way, key)))]


def changed(data: Any, way: tuple[Any, ...], value: Any, drop: bool = False) -> Any:
    """The document with another value at a place, or without it."""
    if not way:
        return value
    copy = data.copy()
    if drop and len(way) == 1:
        del copy[way[0]]
    else:
        copy[way[0]] = value if len(way) == 1 else changed(copy[way[0]], way[1:], value, drop)
    return copy


def mutated(data: Any, chance: random.Random) -> Any:
    """A document with one to three things changed, left out or added."""
    for _ in range(chance.randint(1, 3)):
        way = chance.choice(places(data))
        if chance.random() < 0.15:
            data = changed(data, (*way, "extra") if isinstance(_at(data, way), dict) else way, chance.choice(ODD))
        elif way and chance.random() < 0.2:
            data = changed(data, way, None, drop=True)
        else:
            data = changed(data, way, chance.choice(ODD))
    return data


def _at(data: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        data = data[key]
    return data


def scrambled(data: bytes, chance: random.Random) -> bytes:
    """Bytes with a few of them changed, a piece cut out, doubled, or put in from elsewhere."""
    for _ in range(chance.randint(1, 4)):
        at, size = chance.randrange(len(data) + 1), chance.choice((1, 1, 2, 8, 50))
        piece = chance.choice((
            b"", bytes(chance.randrange(256) for _ in range(size)), data[at : at + size] * chance.choice((2, 50)), b"9" * 5_000,
            b"1e400", b"\xff\xfe", b"Infinity", DEEP.encode(), b'"', b"{", b"]",
            b"\x00", b"\n", b"'''", b"=", b"nan", b"\xef\xbb\xbf",
        ))  # fmt: skip
        data = data[:at] + piece + data[at + size :]
        if chance.random() < 0.1:
            data = data[: chance.randrange(len(data) + 1)]
    return data


def text_of(data: Any) -> bytes:
    return json.dumps(data).encode()


def rebundled(whole: bytes, told: Any, chance: random.Random) -> bytes:
    """A bundle whose description was changed, and whose digest is right."""
    told = mutated(told, chance)
    header = {"digest": _digest(told), "bundle": told} if chance.random() < 0.8 else mutated({"digest": "", "bundle": told}, chance)
    return save(load(whole), {KEY: json.dumps(header)})


def corpus(folder: Path) -> dict[str, tuple[Callable[[Path], Any], Callable[[random.Random], bytes]]]:
    """For each kind of file its reader, and what makes a mutant of it."""
    case = Case(Config("LSTM", 2, 3), 4, 3, lengths=(4, 2, 1), hx="random")
    clip = ClipCase((Gradient((2, 3)),), max_norm=float("inf"))
    stored = Stored("time.split", "a.py:A", "layer", case), Stored("clip.bound", "f", "clip", clip)
    files = [save_case(one, folder) for one in stored]
    cases = [json.loads(file.read_text()) for file in files]
    (folder.parent / "case.json").write_bytes(files[0].read_bytes())  # the configuration names it
    (subject,) = probe_all(resolve.subjects(torch.nn.GRU), "inline", 1)
    write(recording(subject, "cpu", 0, [Case(Config("GRU", 1, 2), 2, 1), Case(Config("GRU", 2, 2), 1)]), folder / "b")
    bundle = (folder / "b").read_bytes()
    told = json.loads(_metadata(folder / "b"))["bundle"]
    report = {"schema": 1, "seed": 0, "subjects": [{"name": "a", "verdicts": [{"property": "time.split", "verdict": "holds"}]}]}
    return {
        "case, a value changed": (load_case, lambda chance: text_of(mutated(chance.choice(cases), chance))),
        "case, bytes changed": (load_case, lambda chance: scrambled(text_of(chance.choice(cases)), chance)),
        "report": (_baseline, lambda chance: text_of(mutated(report, chance))),
        "report, bytes changed": (_baseline, lambda chance: scrambled(text_of(report), chance)),
        "configuration, bytes changed": (read_config, lambda chance: scrambled(CONFIG.encode(), chance)),
        "bundle, bytes changed": (read, lambda chance: scrambled(bundle, chance)),
        "bundle, a value changed": (read, lambda chance: rebundled(bundle, told, chance)),
    }


def _metadata(path: Path) -> str:
    import safetensors

    with safetensors.safe_open(path, framework="pt") as file:
        return file.metadata()[KEY]


def tried(reader: Callable[[Path], Any], path: Path) -> tuple[str, float]:
    """What came of reading a file, and the seconds that it took."""
    started = time.process_time()
    try:
        reader(path)
        ended = "accepted"
    except UsageError as refusal:
        told = str(refusal)
        fit = "\n" not in told and len(told) < LONGEST_MESSAGE and all(c.isprintable() for c in told) and path.name in told
        ended = "refused" if fit else f"UNFIT MESSAGE {told[:300]!r}"
    except BaseException as error:
        ended = f"RAISED {type(error).__name__}: {str(error)[:300]}"
    return ended, time.process_time() - started


def main(count: int = 10_000, seed: int = 0) -> int:
    """Try ``count`` mutants; the exit code."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = corpus(folder / "seeds")
        counted: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
        longest, bad = dict.fromkeys(kinds, 0.0), 0
        for number in range(count):
            kind = list(kinds)[number % len(kinds)]
            reader, make = kinds[kind]
            file = folder / f"mutant{number}.json"
            file.write_bytes(make(random.Random(seed * 1_000_003 + number)))
            ended, seconds = tried(reader, file)
            longest[kind] = max(longest[kind], seconds)
            wrong = ended not in ("accepted", "refused") or seconds > SLOW
            counted[kind]["bad" if wrong else ended] += 1
            bad += wrong
            if wrong:
                print(f"{kind}, number {number}, seed {seed}, {seconds:.2f} s: {ended}")
            file.unlink()
        for kind, counts in counted.items():
            print(f"{kind:32} {counts['accepted']:6} accepted {counts['refused']:6} refused {counts['bad']:4} bad; "
                  f"the slowest {longest[kind]:.3f} s")  # fmt: skip
    print(f"{count} mutants, {bad} of them bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
