"""reject.*: what each property catches, and what it lets through."""

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.catalog.tools.rejections import mentions, others, refusal
from rnncheck.core.config import MODES
from rnncheck.core.subject import Malformed
from tests.catalog.support import TORCH, killed

KILLS = {
    "reject.input_size": "own-input-truncated",
    "reject.packed_input_size": "own-packed-features-cut-off",
    "reject.rank": "own-rank-flattened",
    "reject.hx_shape": "own-state-batch-broadcast",
    "reject.hx_rank": "hx-rank-unchecked",
    "reject.packed_hx": "own-packed-state-unchecked",
    "reject.hx_arity": "only-h-given",
    "reject.hx_surplus": "own-surplus-state-dropped",
    "reject.dtype": "own-input-cast",
    "reject.packed_dtype": "own-input-cast",
    "reject.hx_dtype": "state-on-other-device",
    "reject.device": "own-foreign-state-zeroed",
    "reject.empty_time": "zero-length",
    "reject.lengths": "own-batch-sizes-repaired",
    "reject.constructor": "own-constructor-unchecked",
}
SAYS = ("refused", "of an input of time 0")
RAISES = {"own-refusal-harms-layer"}
MORE = [
    ("reject.hx_shape", "extra-layers-accepted"),
    ("reject.hx_shape", "own-cell-size-unchecked"),
    ("reject.hx_shape", "own-refusal-freezes-parameters"),
    ("reject.packed_input_size", "own-refusal-harms-layer"),
    ("reject.input_size", "own-input-size-broadcast"),
]


HARMLESS = [("reject.packed_hx", mode) for mode in MODES] + [("reject.hx_surplus", "LSTM"), ("reject.hx_dtype", "LSTM")]


@pytest.mark.parametrize(("prop", "mode"), HARMLESS)
def test_torch_deviates(prop, mode):
    assert killed(CATALOG[prop], TORCH[mode]) is not None


def test_a_message_mentions_whole_numbers_and_words():
    assert mentions("Expected hidden size (2, 3, 4), got [2, 13, 4]", (13,))
    assert not mentions("Expected hidden size (2, 3, 4), got [2, 13, 4]", (1,))
    assert mentions("got 4D instead", (4,))
    assert not mentions("0.5 is too large", (5,))
    assert mentions("found Half, expected Float", ("float32", "Float"))
    assert not mentions("expected BFloat16", ("float16", "Float"))
    assert mentions("got [2, 3, 4, 1]", (4711, (2, 3, 4, 1)))


def test_only_an_exception_is_a_refusal():
    def malformed():
        raise Malformed("a list returned")

    assert refusal(lambda: 1) is None
    assert refusal(malformed) is None
    assert refusal(lambda: 1 / 0) == "ZeroDivisionError: division by zero"


def test_other_sizes_are_positive_and_other():
    assert others(4) == [5, 8, 1, 3]
    assert others(1) == [2]
    assert others(0) == [1]
