"""What a layer shows that is built and never called: for one whose calls end the process."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from rnncheck.adapters.probing.constructor_claims import constructor_claims
from rnncheck.adapters.probing.ground import BATCH, TIME, Baseline, attempt
from rnncheck.adapters.probing.parameter_claims import TORCHS
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim, Subject
from rnncheck.reading.parameters.parameter_names import own_parameters
from rnncheck.reading.signature import forward_of, lengths_argument

SIZES = (4, 7)


def probe_built(subject: Subject) -> Mapping[str, Claim]:
    """Return the claims of the constructor, of the names of the parameters, and of forward's signature.

    The subject has its modes. What its constructor refuses is no claim at all.
    """
    config = subject.fixed or subject.fitted(Config(subject.modes[0], *SIZES))
    layer, error = attempt(partial(subject.build, config, torch.float32, torch.device("cpu")))
    if error is not None:
        return {}
    start = Baseline(subject, Case(config, TIME, BATCH), layer, None, (), ("none",))
    return {**constructor_claims(start), **_parameter_claims(layer), **_kind_claims(layer), **subject.claims}


def _parameter_claims(layer: Any) -> dict[str, Claim]:
    torchs = own_parameters(layer.module).keys() >= TORCHS
    matched = layer.names is not None
    why = "" if matched else "its parameters are not matched with torch's"
    return {"torch_parameters": Claim(torchs, "probed"), "load": Claim(matched, "probed", why)}


def _kind_claims(layer: Any) -> dict[str, Claim]:
    lengths = lengths_argument(forward_of(layer.module))
    module = isinstance(layer.module, nn.Module)
    return {"lengths": Claim(lengths is not None, "signature"), "module": Claim(module, "signature")}
