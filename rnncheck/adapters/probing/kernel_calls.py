"""Calls that reach every kernel which a claim is about: a backend may have one of them on this processor, and lack another.

A backend chooses its kernel by dtype, by whether gradients are wanted, and by configuration: oneDNN has a float16 LSTM for
inference on some processors, and none for training.
"""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from itertools import product
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from rnncheck.backend.unimplemented import in_words
from rnncheck.core.case import Case
from rnncheck.core.kinds import PROJECTION
from rnncheck.core.subject import Claim, Subject
from rnncheck.running.trial import Trial, Unimplemented, subject_boundary

LENGTHS = (2, 1)
CONFIGURATIONS: tuple[dict[str, Any], ...] = ({}, {"num_layers": 2}, {"bidirectional": True}, {"bias": False}, {"proj_size": 2})
"""What may choose another kernel, one at a time."""


def kernels_exist(subject: Subject, case: Case, *, cast: torch.dtype | None = None) -> None:
    """Call the subject as the properties will, in the dtype of ``case``, or under autocast to ``cast``.

    Raises Unimplemented where torch's own kernels lack one of these calls on this processor. What else goes wrong is for
    the catalog to find.
    """
    for call in _calls(subject, case):
        for dtype in {call.torch_dtype, cast or call.torch_dtype}:
            try:
                _call(subject, call, dtype, cast)
            except Unimplemented:
                raise
            except Exception:  # noqa: BLE001, S112  # the subject does not take this call: another matter
                continue


def _calls(subject: Subject, case: Case) -> Iterator[Case]:
    """The cases: each configuration, padded and packed, without gradients and with them."""
    small = subject.in_whole_chunks(case.but(time=2, batch=None if case.batch is None else 2))
    configs = [case.config] if subject.fixed is not None else [*_configs(case)]
    for config, training in product(configs, (False, True)):
        yield small.but(config=config, training=training)
    for training in (False, True):
        yield small.but(batch=2, lengths=LENGTHS, training=training)


def _configs(case: Case) -> Iterator[Any]:
    for changes in CONFIGURATIONS:
        if "proj_size" not in changes or case.config.kind.has(PROJECTION):
            yield case.config.but(**changes)


def _call(subject: Subject, case: Case, dtype: torch.dtype, cast: torch.dtype | None) -> None:
    """One call, and backward into input and parameters where it trains, on input of this dtype."""
    trial = Trial(subject, case)
    device = torch.device(case.device).type
    x = trial.x.to(dtype).requires_grad_(case.training)
    casting = nullcontext() if cast is None else torch.autocast(device, cast)
    with casting, torch.set_grad_enabled(case.training):
        output, _ = trial.call_on(trial.layer, x)
    if case.training:
        data = output.data if isinstance(output, PackedSequence) else output
        with subject_boundary("running backward"):
            trained = [p for p in trial.layer.parameters().values() if p.requires_grad]
            torch.autograd.grad(data.float().sum(), [x, *trained], allow_unused=True)


CLAIMS: Mapping[str, tuple[str, torch.dtype | None]] = {
    "bfloat16": ("bfloat16", None),
    "float16": ("float16", None),
    "autocast": ("float32", torch.bfloat16),
    "autocast_half": ("float32", torch.float16),
}
"""The claims that depend on the processor's kernels: the dtype of the case, and the one that autocast computes in."""


def lacking_kernels(subject: Subject, case: Case) -> dict[str, Claim]:
    """Return, for each such claim that torch's own kernels do not bear out on this processor, that it is not offered."""
    found = {}
    for feature, (dtype, cast) in CLAIMS.items():
        try:
            kernels_exist(subject, case.but(dtype=dtype), cast=cast)
        except Unimplemented as error:
            what = f"autocast to {str(cast)[6:]}" if cast else dtype
            found[feature] = Claim(False, "probed", in_words(error.cause, what))
    return found
