"""What torch itself is known to break: declared deviations, each with its reason and the smallest case that shows it.

Each was seen with plain torch 2.13, except what only an older torch breaks; tests/adapters/test_known.py looks at all of them
again. Those of cuDNN are looked at where there is CUDA; they were not seen yet, but read in torch's source and libraries.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any

import torch
from torch import nn

from rnncheck.adapters.factory import Constructor
from rnncheck.adapters.instance import Instance
from rnncheck.adapters.torch_layers import OF_TORCH, TorchLike
from rnncheck.core.case import Case
from rnncheck.core.clip_case import ClipCase, Gradient
from rnncheck.core.config import Config, Mode
from rnncheck.core.deviation import Deviation
from rnncheck.core.kinds import kind_of
from rnncheck.core.subject import Subject
from rnncheck.core.values import Values
from rnncheck.older_torch import clips_nothing_in_silence, is_before

SEEN_WITH = "2.13."
"""The torch that the stored cases fail on. On another one they are not replayed: there, a rule may be kept again."""


@dataclass(frozen=True)
class Known:
    """A deviation of something of torch's own, and of subclasses that leave its methods alone; a copy answers for itself."""

    of: Callable[..., Any]
    deviation: Deviation


def _layer(of: type, mode: Mode, property: str, reason: str, issue: str | None = None, /,
           where: dict[str, Any] | None = None, config: dict[str, Any] | None = None, **case: Any) -> Known:  # fmt: skip
    stored = Case(Config(mode, 2, 3, **(config or {})), **{"time": 2, "batch": 2, **case})
    return Known(of, Deviation(property, reason, where, issue, case=stored.to_json()))


def _cudnn(of: type, mode: Mode, property: str, reason: str, training: bool | None = None) -> Known:
    """What cuDNN does not do, on CUDA and where cuDNN is not switched off; its words are in torch's libraries."""
    where = BY_CUDNN if training is None else {**BY_CUDNN, "training": training}
    return _layer(of, mode, property, reason, ISSUES.get(reason), where=where, device="cuda", training=bool(training))


def _clip(property: str, reason: str, issue: str | None = None, *gradients: Gradient, where: Any = None, **arguments: Any) -> Known:
    case = ClipCase(gradients or (Gradient((2,)),), **arguments)
    return Known(torch.nn.utils.clip_grad_norm_, Deviation(property, reason, where, issue, case=case.to_json()))


NO_BATCHING = "vmap has no batching rule for aten::{}"
BY_ONEDNN = "oneDNN's LSTM has no forward-mode derivative"
NOT_CHECKED = "the size of hx is checked only after hx is sorted like the packed batch"
BY_CUDNN: dict[str, Any] = {"device": "cuda", "switches": {"without": "cudnn_off"}}
ONLY_IN_TRAINING = "cuDNN: 'cudnn RNN backward can only be called in training mode'"
NOT_TWICE = "cuDNN: 'Double backwards is not supported for CuDNN RNNs due to limitations in the CuDNN API'"
NOT_FORWARD = "cuDNN: 'Trying to use forward AD with _cudnn_rnn that does not support it'"
TOO_LONG = "cuDNN refuses 65,536 steps, saying that its input is not contiguous"
ISSUES = {TOO_LONG: "pytorch/pytorch#133751", ONLY_IN_TRAINING: "pytorch/pytorch#5878", NOT_TWICE: "pytorch/pytorch#20449"}
DIFFERENTIATES = (
    "weights.alive", "weights.trainable", "weights.parametrize", "gradient.reference", "gradient.numerical", "gradient.second",
    "gradient.penalty", "gradient.one_result", "gradient.every_output", "gradient.loss_scale", "gradient.any_requires_grad",
    "gradient.accumulates", "gradient.split", "gradient.reach", "gradient.through_final_state", "gradient.into_initial_state",
    "agree.autocast", "agree.functional", "agree.compiled",
    "graph.memory", "graph.several", "graph.changed", "graph.unfrozen",
)  # fmt: skip
"""Properties that differentiate a layer in eval() too."""
TWICE = ("gradient.second", "gradient.penalty")
"""Properties that differentiate twice."""
IN_TORCH = [kind_of(modes[0]) for modes in OF_TORCH.values()]
LAYERS = tuple((kind.layer, kind.mode) for kind in IN_TORCH)
CELLS = tuple((kind.cell, kind.mode) for kind in IN_TORCH)
KNOWN: tuple[Known, ...] = (
    _layer(nn.RNN, "RNN_TANH", "agree.vmap", NO_BATCHING.format("rnn_tanh, rnn_relu"), "pytorch/pytorch#134606"),
    _layer(nn.GRU, "GRU", "agree.vmap", NO_BATCHING.format("gru"), "pytorch/pytorch#134606"),
    _layer(nn.LSTM, "LSTM", "agree.vmap", NO_BATCHING.format("lstm"), "pytorch/pytorch#134606"),
    _layer(nn.LSTM, "LSTM", "gradient.forward_mode", BY_ONEDNN,
           where={"dtype": ["float32", "bfloat16", "float16"]}, training=True),
    _layer(nn.LSTM, "LSTM", "agree.onnx", "ONNX's LSTM has no projection, and the exporter drops it silently",
           where={"proj_size": {"above": 0}}, config={"proj_size": 1}),
    _layer(nn.RNN, "RNN_TANH", "reject.packed_hx", NOT_CHECKED, hx="random", lengths=(1, 2)),
    _layer(nn.GRU, "GRU", "reject.packed_hx", NOT_CHECKED, hx="random", lengths=(1, 2)),
    _layer(nn.LSTM, "LSTM", "reject.packed_hx", "hx is not checked with packed input", "pytorch/pytorch#195803",
           hx="random", lengths=(2, 2)),
    _layer(nn.LSTM, "LSTM", "reject.packed_input_size", "input_size is not checked with packed input",
           "pytorch/pytorch#195803", lengths=(2, 2)),
    _layer(nn.LSTM, "LSTM", "reject.hx_surplus", "with an unbatched (h, c, …), anything after c is ignored",
           hx="random", batch=None),
    _layer(nn.LSTM, "LSTM", "reject.packed_dtype", "the dtype of packed input is left to the kernels, which do not name it",
           lengths=(2, 2), dtype="float64"),
    _layer(nn.LSTM, "LSTM", "reject.hx_dtype", "the dtype of c_0 is not checked", hx="random", dtype="float64"),
    _layer(nn.LSTMCell, "LSTM", "reject.hx_surplus", "with an unbatched (h, c, …), anything after c is ignored",
           hx="random", batch=None),
    _layer(nn.LSTMCell, "LSTM", "reject.hx_dtype", "the dtype of c_0 is not checked", hx="random", dtype="float64"),
    *(_layer(of, mode, "reject.constructor", "the sizes of a cell are not checked") for of, mode in CELLS),
    *(_cudnn(of, mode, "gradient.eval_is_train", ONLY_IN_TRAINING) for of, mode in LAYERS),
    *(_cudnn(of, mode, property, ONLY_IN_TRAINING, training=False) for of, mode in LAYERS for property in DIFFERENTIATES),
    *(_cudnn(of, mode, property, NOT_TWICE, training=True) for of, mode in LAYERS for property in TWICE),
    *(_cudnn(of, mode, "gradient.forward_mode", NOT_FORWARD) for of, mode in LAYERS),
    _cudnn(nn.LSTM, "LSTM", "numeric.many_steps", TOO_LONG),
    _clip("clip.arguments", "max_norm is not checked: a negative one flips the gradients", "pytorch/pytorch#31367"),
    _clip("clip.nonfinite", "one infinite gradient makes all finite ones zero", "pytorch/pytorch#46849"),
    _clip("clip.empty", "norm_type=inf raises if a gradient has no elements", "meta-pytorch/torchrec#3891"),
    _clip("clip.listed_twice", "a parameter that is listed twice counts twice, and is scaled twice"),
    _clip("clip.huge_and_tiny", "the squares of finite gradients overflow and underflow in float32"),
    _clip("clip.low_precision", "the norm and the factor are computed in the gradients' own dtype",
          "pytorch/pytorch#194033", Gradient((2,), Values("ones"), "float16")),
    _clip("clip.zero_norm_type", "norm_type=0 counts the tensors that are not zero, not their elements", None,
          Gradient((2,), Values("ones"))),
    _clip("clip.shards", "norm_type=inf raises on a rank that holds nothing of a gradient, and the other ranks wait for it", None,
          Gradient((1,)), where={"norm_type": "inf"}, norm_type=inf),
    *(_clip(property, "in float16, max_norm = 0 makes NaN of gradients that are 0: 1 / (0 + 1e-6) is infinite", None,
            Gradient((2,), Values("ones"), "float16"), where={"dtype": ["float16", "mixed"]})
      for property in ("clip.formula", "clip.threshold")),
    *(_clip(property, "an exhausted generator is taken for a model without parameters")
      for property in ("clip.used_up",) if clips_nothing_in_silence()),
    *(_clip(property, "1e-6 is added to the norm once on each rank, seen with torch 2.6", None, Gradient((2,)))
      for property in ("clip.shards",) if is_before(13)),
)  # fmt: skip


def known_deviations(subjects: Sequence[Subject]) -> list[Deviation]:
    """Return the deviations of those subjects that are torch's own, each in the name of its subject.

    What replaces a layer or a function of torch's, as a subclass of it or by agreeing with it (``against``), may deviate where
    that does; it need not.
    """
    return [_said(subject, known) for subject in subjects for known in KNOWN if _may_deviate(subject, known.of)]


def _may_deviate(subject: Subject, of: Any) -> bool:
    target, reference = target_of(subject), subject.reference and target_of(subject.reference)
    target = target.func if isinstance(target, partial) else target
    derived = isinstance(target, type) and isinstance(of, type) and issubclass(target, of)
    agreeing = reference is of and not isinstance(subject.build, TorchLike)  # ours are to do better
    return target is of or derived or agreeing


def _said(subject: Subject, known: Known) -> Deviation:
    here = known.deviation.reason != BY_ONEDNN or torch.backends.mkldnn.is_available()  # some torch is built without it
    seen = known.of is target_of(subject) and torch.__version__.startswith(SEEN_WITH) and here
    reason = known.deviation.reason if known.of is target_of(subject) else f"like {name_of(known.of)}: {known.deviation.reason}"
    case = known.deviation.case if seen else None
    return replace(known.deviation, subject=subject.name, case=case, sure=seen, reason=reason)


def name_of(of: Any) -> str:
    """Return the name of something of torch's as users write it."""
    return f"torch.nn.{of.__name__}" if isinstance(of, type) else "torch.nn.utils.clip_grad_norm_"


def target_of(subject: Subject) -> Any:
    """The class or function that a subject stands for; an instance's is its class."""
    build = subject.build
    if isinstance(build, TorchLike):
        return build.constructor
    if isinstance(build, Constructor):
        return build.target.object
    if isinstance(build, Instance):
        return type(build.target.object)
    return build
