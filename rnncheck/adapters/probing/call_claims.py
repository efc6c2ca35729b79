"""What is claimed of how a subject is called: by its signatures, and by tiny calls."""

import importlib.util
from collections.abc import Mapping

from torch import nn

from rnncheck.adapters.probing.feature_calls import CALLS
from rnncheck.adapters.probing.find_ground import tried
from rnncheck.adapters.probing.ground import Baseline, reason_not
from rnncheck.adapters.probing.settle import reading_of
from rnncheck.adapters.probing.which_modes import inner_module
from rnncheck.core.config import MODES
from rnncheck.core.subject import Claim
from rnncheck.older_torch import why_not_compile
from rnncheck.reading import Reading
from rnncheck.reading.signature import HxArgument, forward_of, hx_argument, lengths_argument


def claims_of_calls(start: Baseline, layout: Mapping[str, Claim], declared: Mapping[str, Claim]) -> dict[str, Claim]:
    claims = {**_mode_claims(start), **layout, **_forward_claims(start)}
    claims |= {name: Claim(True, "probed") for name in ("equations", "last_output", "state", "layer_axis", "sizes")}
    single = start.case.dtype == "float32"
    claims |= {"float32": Claim(single, "probed", "" if single else "it has numbers of float64 in it")}
    return claims | _module_claims(start) | _call_claims(start, declared) | dict(start.subject.claims)


def _mode_claims(start: Baseline) -> dict[str, Claim]:
    return {mode: Claim(mode in start.subject.modes, "probed") for mode in MODES}


def _forward_claims(start: Baseline) -> dict[str, Claim]:
    """hx, by the signature of the author's forward."""
    reading = reading_of(start.subject)
    if reading is not None and reading.adapts:
        return _as_read_claims(start, reading)
    forward = forward_of(inner_module(start))
    argument, lengths = hx_argument(forward), lengths_argument(forward)
    takes = {"lengths": Claim(lengths is not None, "signature", "" if lengths else "forward takes no lengths")}
    if argument.given == "maybe":
        return takes | {"hx": tried(start, "zeros"), "hx_none": tried(start, "none")}
    why = "forward takes no initial state" if argument.given == "no" else ""
    return takes | {"hx": Claim(argument.given == "yes", "signature", why), "hx_none": _needed(argument)}


def _as_read_claims(start: Baseline, reading: Reading) -> dict[str, Claim]:
    """hx and lengths of a layer behind an adapter."""
    called = reading.called
    given, lengths = bool(called["given"]), bool(called["lengths"])
    return {
        "lengths": Claim(lengths, "signature", "" if lengths else "forward takes no lengths"),
        "hx": Claim(given, "signature", "" if given else "no initial state can be given"),
        "hx_none": Claim(not called["needed"], "signature", "the initial state must be given" if called["needed"] else ""),
    }


def _needed(argument: HxArgument) -> Claim:
    why = "forward has no default for the initial state" if argument.needed else ""
    return Claim(not argument.needed, "signature", why)


def _module_claims(start: Baseline) -> dict[str, Claim]:
    """What every module offers: torch.compile runs what it cannot compile as it is, where it takes this Python."""
    module = isinstance(start.layer.module, nn.Module)
    why = "" if module else "it is not a torch.nn.Module"
    refused = why_not_compile()
    compiles = Claim(False, "probed", refused) if module and refused else Claim(module, "signature", why)
    return {"module": Claim(module, "signature", why), "compile": compiles}


def promises(start: Baseline, claims: Mapping[str, Claim]) -> dict[str, Claim]:
    """What follows from what it is: torch's initialization of torch's layers, ONNX of what can be exported."""
    torchs = isinstance(inner_module(start), nn.RNNBase | nn.RNNCellBase)
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    onnx = f"needs {' and '.join(missing)}, not installed" if missing else claims["export"].why
    return {
        "torch_init": Claim(torchs, "signature", "" if torchs else "no subclass of torch's, and not declared"),
        "onnx": Claim(not missing and claims["export"].offered, "probed", onnx),
    }


def _call_claims(start: Baseline, declared: Mapping[str, Claim]) -> dict[str, Claim]:
    """The features that only a call can show; a fixed instance's packed input is tried as it is."""
    reasons = {
        feature: reason_not(lambda call=call: call(start))  # type: ignore[misc]
        for feature, call in CALLS.items()
        if feature not in declared
    }
    return {feature: Claim(reason is None, "probed", reason or "") for feature, reason in reasons.items()}
