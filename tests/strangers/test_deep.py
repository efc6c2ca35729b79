"""Properties that a short run does not reach, on right layers of the table that were red there once."""

from dataclasses import replace

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial

from .bidirectional import BiCellLSTM
from .channels_first import ChannelGRU
from .containers import NamedStateLSTM
from .hunted import subject_of
from .inner_norms import LayerNormLSTM, NormedGRU, WeightNormRNN
from .outputs_only import LastStateOnly
from .stateful import BufferedGRU, ResetWithBatch

ONCE_RED = [
    (NamedStateLSTM, "weights.parametrize", {"training": True}),
    (LastStateOnly, "shape.meta", {}),
    (BiCellLSTM, "shape.meta", {"bidirectional": True}),
    (ChannelGRU, "numeric.extreme_gradient", {"training": True}),
    (BufferedGRU, "weights.as_new", {}),
    (WeightNormRNN, "weights.as_new", {}),
    (ResetWithBatch, "life.machine", {}),
    (NormedGRU, "gradient.forward_mode", {"training": True, "dtype": "float16", "hx": "zeros"}),
    (LayerNormLSTM, "weights.trainable", {"training": True, "hidden_size": 1}),
]


@pytest.mark.parametrize(("layer", "prop", "changes"), ONCE_RED, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_right_layer_holds(layer, prop, changes):
    subject = subject_of(layer)
    offered = dict.fromkeys(("meta", "jvp", "bfloat16", "float16"), Claim(True, "declared"))
    subject = replace(subject, claims={**subject.claims, **offered})
    case = Case(Config(subject.modes[0], 5, 4), 3, 2).but(batch_first=not subject.offers("time_first"), **changes)
    for seed in range(4):
        outcome = judge(CATALOG[prop], Trial(subject, case.but(seed=seed)))
        assert outcome.status in ("holds", "not_applicable"), outcome
