"""No mistake of the table is green: it is red, or what was not looked at is said; the whole table at night, a part by day."""

import pytest

from rnncheck.errors import UsageError
from tests.effort import NIGHTLY, some

from .hunted import asked, kill_of, subject_of
from .judge_all import REFERENCES
from .table import STRANGERS, mistakes

TOLD = {
    "DictStateGRU2": "the first state that it makes itself does not follow its dtype",
    "OneHotRNN2": "it makes float32 vectors of the token ids",
    "ElmanBlock2": "h kept from call to call: as built before each",
    "KeptState1": "attribute hidden, which changes no later call",
    "KerasStyleOptions1": "go_backwards other than False",
    "RequiredExtras2": "activation other than 'tanh'",
    "TypedGRU2": "whether the output should be (time, batch, features), as the input is not",
    "CfC1": "argument timespans, which changes nothing",
    "LockedDropoutLSTM2": "what random numbers do in training",
    "ZoneoutLSTM2": "what random numbers do in training",
    "DelayLine1": "result[1]",
    "DelayLine2": "result[1]",
    "OneMatrixCell2": "whether the state that comes back as it went in should move",
}
"""What the verdict says of mistakes that lie in what is not looked at, or that may be meant."""
FALSE_GREENS = (
    "StateFirstGRU1", "KerasGRU2", "ListOfOutputs2", "ListOfStates2", "LastByLength1", "LastByLength2", "KerasStyleOptions2",
    "LRU1", "RequiredExtras1", "FromDims1", "EpisodeGRU1", "EpisodeGRU2", "KeptState2", "StatefulLSTM2",
    "BufferedGRU2", *TOLD,
)  # fmt: skip
"""Mistakes that were green once, each for a reason of its own."""
ALL = list(mistakes())
BY_DAY = {*TOLD, *some(FALSE_GREENS), *(mistake.layer.__name__ for _, mistake in ALL[::60])}


@pytest.mark.parametrize("name", some(["OutputsOnlyLSTM", "KeptState", "ParameterGRU", "ByKeyword", "PassThrough"], 2))
def test_a_right_layer_agrees_with_torchs(name):
    stranger = next(s for s in STRANGERS if s.name == name)
    subject = subject_of(stranger.layer, REFERENCES[stranger.reads["family"]])
    assert subject.offers("load"), subject.claims["load"].why
    kill = kill_of(subject, cases=4)
    assert kill is None, (kill.prop.id, kill.outcome)


@pytest.mark.parametrize(
    ("stranger", "mistake"),
    [pair for pair in ALL if NIGHTLY or pair[1].layer.__name__ in BY_DAY],
    ids=lambda value: getattr(value, "says", ""),
)
def test_a_mistake_is_not_green(stranger, mistake):
    told = TOLD.get(mistake.layer.__name__)
    try:
        subject = asked(stranger, mistake)
    except UsageError as refused:
        assert any(way in str(refused) for way in ("wrap it", "wrap what", "name a factory", "annotate it"))
        return
    if told is not None:
        assert told in "; ".join((subject.read_as, *subject.not_looked_at))
    elif subject.reference is None or subject.offers("load"):  # else the agreement cannot be checked, which is no green either
        assert kill_of(subject) is not None, subject.read_as
