"""Whatever an exception, a name or a type says: cleaned and cut once, and never able to raise, steer a terminal or a CI."""

import json
import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from rnncheck.adapters.targets.locate import locate
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.plain_text import LONGEST, one_line, plain, quoted, said, type_name
from rnncheck.errors import UsageError
from rnncheck.faces.github import annotations
from rnncheck.judging.judge import judge
from rnncheck.report.html import html
from rnncheck.report.junit import junit
from rnncheck.report.markdown import markdown
from rnncheck.report.sarif import sarif
from rnncheck.report.text import failure_text
from rnncheck.running.trial import SubjectError, Trial, subject_boundary
from tests.report.built import failing, report


class Mute(Exception):
    """Has no text."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class Masked(Exception):
    """Says of every attribute that it cannot be had."""

    @property
    def __class__(self):
        raise RuntimeError("no class")

    @property
    def __traceback__(self):
        raise RuntimeError("no traceback")

    @property
    def __cause__(self):
        raise RuntimeError("no cause")


class Rude(BaseException):
    """Is no Exception, and neither is what its text raises."""

    def __str__(self):
        raise KeyboardInterrupt


class Odd(str):
    """A str whose methods raise."""

    def __getitem__(self, *_):
        raise RuntimeError("no items")

    __len__ = __iter__ = replace = split = encode = __getitem__


class OddText(Exception):
    def __str__(self):
        return Odd("an odd text")


class Nameless(type):
    @property
    def __name__(cls):
        raise RuntimeError("no name")


class OfNameless(Exception, metaclass=Nameless):
    pass


HOSTILE = {
    "mute": Mute, "masked": Masked, "rude": Rude, "odd text": OddText, "nameless": OfNameless,
    "surrogates": lambda: ValueError("\ud800\udfff"), "50 MB": lambda: ValueError("x" * 50_000_000),
    "a command for a name": lambda: type("::stop-commands::x", (Exception,), {})("y"),
}  # fmt: skip
"""Made inside a test: pytest itself does not survive some of them."""


@pytest.mark.parametrize("kind", HOSTILE)
def test_any_exception_has_a_text(kind):
    error = HOSTILE[kind]()
    for text in (plain(error), one_line(error), said(error), type_name(error), quoted(error)):
        assert len(text) < LONGEST + 100
        text.encode("utf-8")
    assert "\n" not in said(error) and len(one_line(error)) <= 300


@pytest.mark.parametrize("kind", HOSTILE)
def test_any_exception_of_a_subject_is_its_own(kind):
    text = ""
    try:
        with subject_boundary("calling"):
            raise HOSTILE[kind]()
    except SubjectError as error:
        text = str(error)
    assert " while calling: " in text and len(text) < LONGEST + 300


STEERING = {
    "colour": "\x1b[31mred\x1b[0m", "title": "a\x1b]0;owned\x07b", "clipboard": "a\x1b]52;c;cm0gLXJmIC8=\x1b\\b",
    "C1": "a\x9b31mb\x9d0;t\x9cc", "bidi": "a\u202etxet\u2066b", "return": "a\rb", "bell": "\x07", "nul": "\x00",
    "DCS": "\x1bP1$r0m\x1b\\x", "half": "\x1b]52;c;abc", "surrogate": "\ud800", "separator": "a\u2028b",
}  # fmt: skip


@pytest.mark.parametrize("text", STEERING.values(), ids=STEERING)
def test_nothing_steers_a_terminal(text):
    shown = plain(text)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert plain(shown) == shown
    assert "owned" not in shown and "cm0gLXJmIC8" not in shown


CI = [
    "::stop-commands::x", "   ::error::x", "\t::add-mask::a", "a\n::set-output name=x::y", "\xa0::debug::a", ":::stop-commands::x",
    "words ::stop-commands::x", "y" * 79 + "::stop-commands::x", "a ##[error]b", "##VSO[task]", "##teamcity[message]",
    "##vso[task.setvariable variable=a]b", "\x07::warning::x", "\x1b[0m::error::x", "##\x1b[m[error]x", ":\x1b[m:error::x",
    "a: ::error::",
]  # fmt: skip
WORDS = "stop-commands|error|debug|warning|add-mask|set-output"


@pytest.mark.parametrize("text", CI, ids=repr)
def test_nothing_is_a_command_of_a_ci(text):
    shown = plain(text)
    assert not re.search(rf"^\s*::|##\[|##vso\[|##teamcity\[|::({WORDS}).*::", shown, re.M | re.I)
    assert plain(shown) == shown


def test_what_is_no_command_stays():
    for text in ("at::native::foo failed in c10::Error", "a[::2]", "x: y", "## heading", "list[::-1] of std::vector"):
        assert plain(text) == text


def test_no_report_carries_a_command_or_a_sequence():
    bad = "\x1b]52;c;cm0=\x07\n  ::stop-commands::x\n##[error]y \ud800\u202e" + "z" * 100_000
    made = report(failing(mismatch=bad, reason=bad, diagnosis=bad), name="mine.py:" + bad[:80], stopped=bad, stale=(bad,))
    texts = [html(made), junit(made), markdown(made), json.dumps(sarif(made), ensure_ascii=False)]
    for text in (*texts, failure_text(bad, made.failures[0][1])):
        assert "\x1b" not in text and "\u202e" not in text and "cm0=" not in text
        assert not re.search(r"(^|\\n)\s*::stop-commands|##\[", text, re.M)
        text.encode("utf-8")
    assert all(line.startswith("::error ") and line.count("::stop") == 0 for line in annotations(made, [bad]))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise ValueError('\\x1b]0;t\\x07 a\\n::stop-commands::x')", "ValueError: a : :stop-commands::x"),
        ("class E(Exception):\n    def __str__(self): raise OSError\nraise E", "E: <a E whose text cannot be had: OSError>"),
        ("class E(BaseException): pass\nraise E('gone')", "E: gone"),
        ("class C:\n    def __repr__(self): raise RuntimeError\nimport sys; sys.exit(C())", "sys.exit(<C that cannot be shown>)"),
        ("raise ValueError('x' * 10**7)", "ValueError: xxx"),
        ("raise ValueError('\\ud800')", "ValueError: \N{REPLACEMENT CHARACTER}"),
        ("raise type('::stop-commands::x', (Exception,), {})('a')", ": :stop-commands::x: a"),
    ],
)
def test_what_an_import_raises_is_one_line(tmp_path, body, says):
    (tmp_path / "mine.py").write_text(body)
    with pytest.raises(UsageError) as raised:
        locate(f"{tmp_path}/mine.py:A")
    assert says in str(raised.value) and "\n" not in str(raised.value) and len(str(raised.value)) < 1000


class Raising:
    """A layer that raises when it is called."""

    def __init__(self, layer, error):
        self.layer, self.error = layer, error

    def __getattr__(self, name):
        return getattr(self.layer, name)

    def __call__(self, *_):
        raise self.error()


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_subject_that_raises_anything_is_judged(kind):
    case, (gru,) = Case(Config("GRU", 2, 3), 4, 2), subjects(nn.GRU)
    broken = replace(gru, build=lambda *how: Raising(gru.build(*how), HOSTILE[kind]))
    outcome = judge(CATALOG["shape.output"], Trial(broken, case))
    assert outcome.status == "errored" and "a mistake of rnncheck" not in (outcome.reason or "")
    assert len(outcome.reason or "") < LONGEST + 2000 and len(outcome.cause or "") < LONGEST + 2000
    (outcome.reason or "").encode("utf-8")


def test_numbers_that_python_does_not_write_are_quoted():
    assert quoted(10**5000) == "<int that cannot be shown>" and quoted(torch).startswith("<module 'torch'")
