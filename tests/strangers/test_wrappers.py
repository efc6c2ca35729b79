"""The wrappers that docs/layers.md shows for layers that are not read: with them the layers are read, and hold."""

import re
from pathlib import Path

import pytest

from .constructors import OptRNN
from .hunted import kill_of, subject_of
from .lengths import PackedInPackedOut
from .masks import EpisodeGRU
from .outputs_only import OneSequence

PAGE = Path(__file__).parents[2] / "docs" / "layers.md"
THEIRS = {"PackedOnly": PackedInPackedOut, "OneSequence": OneSequence, "EpisodeGRU": EpisodeGRU, "OptRNN": OptRNN}


def wrappers():
    (code,) = (code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S) if "PackedOnly(" in code)
    names = {**THEIRS, "__name__": __name__}
    exec(code, names)
    return names


@pytest.mark.parametrize("name", ["Packs", "RowByRow", "WithoutFlags", "from_options"])
def test_a_wrapper_of_the_page_is_read_and_holds(name):
    subject = subject_of(wrappers()[name])
    assert subject.offers("batched")
    kill = kill_of(subject, cases=3)
    assert kill is None, (kill.prop.id, kill.outcome)
