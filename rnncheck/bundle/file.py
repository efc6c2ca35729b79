"""The file: one safetensors file whose header says, as JSON, which cases the tensors are of. No pickle.

    metadata["rnncheck"]   {"digest": SHA-256 of the rest as JSON,
                            "bundle": {schema, kind, subject, modes, seed, environment, cases}}
    a case                 {"case": as Case.to_json, "given": digest of what it gives to a layer, "results": digest of what
                           was recorded, "gradients": names, "error": null or a line}
    tensors                "<place>/output", "/h_n", "/c_n", "/gradient/<name>"

Errors: BundleError, one line. A bundle is read and verified as a whole, or not at all.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save
from torch import Tensor

from rnncheck.bundle.content import Bundle, Recorded, digest, given
from rnncheck.core.case import Case, CaseError
from rnncheck.core.run import Run
from rnncheck.errors import UsageError

SCHEMA = 1
KEY = "rnncheck"
KIND = "layer"


class BundleError(UsageError):
    """A file that cannot be used as a bundle; the message is one line."""


def write(bundle: Bundle, path: Path) -> int:
    """Write atomically; the size in bytes. The same bundle makes the same bytes. Raises BundleError."""
    tensors = {f"{place}/{name}": t.contiguous() for place, one in enumerate(bundle.recorded) for name, t in one.tensors().items()}
    told = _to_json(bundle)
    data = save(tensors, {KEY: _text({"digest": _digest(told), "bundle": told})})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as error:
        raise BundleError(f"{path} cannot be written: {error.strerror}") from None
    return len(data)


def _to_json(bundle: Bundle) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "subject": bundle.subject,
        "modes": list(bundle.modes),
        "seed": bundle.seed,
        "environment": dict(bundle.environment),
        "cases": [_case_to_json(one) for one in bundle.recorded],
    }


def _case_to_json(one: Recorded) -> dict[str, Any]:
    digests = {"given": digest(given(one.case)), "results": digest(one.tensors())}
    return {"case": one.case.to_json(), **digests, "gradients": list(one.gradients), "error": one.error}


def _text(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _digest(told: Any) -> str:
    return hashlib.sha256(_text(told).encode()).hexdigest()


def read(path: Path) -> Bundle:
    """The bundle in this file; raises BundleError where it is none, truncated, altered, empty, or of a newer rnncheck."""
    metadata, tensors = _contents(path)
    try:
        told = _verified(path, json.loads(metadata[KEY]))
        recorded = tuple(_recorded(path, place, entry, tensors) for place, entry in enumerate(told["cases"]))
        modes, environment = tuple(told["modes"]), told["environment"]
        bundle = Bundle(str(told["subject"]), modes, int(told["seed"]), environment, recorded)
        str(bundle)  # its environment names the device
    except (KeyError, TypeError, AttributeError, ValueError, CaseError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{path}: not a bundle of rnncheck: {type(error).__name__}: {error}") from None
    left = [name for name in tensors if int(name.partition("/")[0]) >= len(recorded)]
    if not recorded or left:
        raise BundleError(f"{path}: {'holds no cases' if not recorded else f'has been altered: whose is {left[0]}?'}")
    return bundle


def _contents(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file that is whole."""
    if not path.is_file():
        raise BundleError(f"{path}: no such file")
    if not path.stat().st_size:
        raise BundleError(f"{path}: the file is empty")
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise BundleError(f"{path}: not a bundle, or truncated: {error}") from None
    if KEY not in metadata:
        raise BundleError(f"{path}: a safetensors file, but not a bundle of rnncheck; make one with: rnncheck record")
    return metadata, tensors


def _verified(path: Path, whole: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = whole["bundle"]
    schema = told["schema"]
    if isinstance(schema, int) and schema > SCHEMA:
        raise BundleError(f"{path}: schema = {schema}, but this rnncheck reads up to {SCHEMA}: a newer one has written it")
    if schema != SCHEMA or told["kind"] != KIND:
        came = f"schema = {schema!r}, kind = {told['kind']!r}"
        raise BundleError(f"{path}: {came}, but should be schema {SCHEMA}, kind {KIND!r}")
    if whole["digest"] != _digest(told):
        raise BundleError(f"{path}: has been altered: its description is not what was recorded")
    return told


def _recorded(path: Path, place: int, entry: dict[str, Any], tensors: dict[str, Tensor]) -> Recorded:
    """One case, its tensors compared with their digest."""
    prefix = f"{place}/"
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    if digest(own) != entry["results"]:
        raise BundleError(f"{path}: has been altered: the tensors of case {place} are not what was recorded")
    run = None if entry["error"] is not None else Run(own["output"], own["h_n"], own.get("c_n"))
    case = Case.from_json(entry["case"])
    if digest(given(case)) != entry["given"]:
        raise BundleError(f"{path}: case {place} gives other numbers with this torch than where it was recorded")
    return Recorded(case, run, {name: own.get(f"gradient/{name}") for name in entry["gradients"]}, entry["error"])
