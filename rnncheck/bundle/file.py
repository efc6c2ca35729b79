"""The file: one safetensors file whose header says, as JSON, which cases the tensors are of. No pickle.

    metadata["rnncheck"]   {"digest": SHA-256 of the rest as JSON,
                            "bundle": {schema, kind, subject, modes, seed, environment, cases}}
    a case                 {"case": as Case.to_json, "given": digest of what it gives to a layer, "results": digest of what
                           was recorded, "gradients": names, "error": null or a line}
    tensors                "<place>/output", "/h_n", "/c_n", "/gradient/<name>"; of a typed recurrence also "/number/<name>", its
                           parameters and buffers, and "/allowed/output", "/allowed/h_n", "/allowed/gradient/<name>"

Errors: BundleError, one line. A bundle is read and verified as a whole, or not at all.
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save
from torch import Tensor

from rnncheck.bundle.content import Bundle, Measured, Recorded, digest, given
from rnncheck.core.case import Case, CaseError
from rnncheck.core.config import Mode
from rnncheck.core.plain_text import LONGEST, one_line, quoted, said
from rnncheck.core.run import Run
from rnncheck.core.typed import NotTyped, typed
from rnncheck.engine.memory import lacks_memory
from rnncheck.files.reading import MIB, FileError, file_error, parse_json, read_start, reason
from rnncheck.files.writing import write_whole

SCHEMA = 1
KEY = "rnncheck"
KIND = "layer"


LONGEST_HEADER = 32 * MIB
HEADER = struct.Struct("<Q")


@dataclass(frozen=True)
class Entry:
    """One case of the description."""

    case: dict[str, Any]
    given: str
    results: str
    gradients: tuple[str, ...]
    error: str | None


@dataclass(frozen=True)
class Description:
    """What the header says."""

    schema: int
    kind: str
    subject: str
    modes: tuple[Mode, ...]
    seed: int
    environment: dict[str, Any]
    cases: tuple[Entry, ...]


class BundleError(FileError):
    """A file that cannot be used as a bundle; the message is one line."""


def write(bundle: Bundle, path: Path) -> int:
    """Write atomically; the size in bytes. The same bundle makes the same bytes. Raises BundleError."""
    tensors = {f"{place}/{name}": t.contiguous() for place, one in enumerate(bundle.recorded) for name, t in one.tensors().items()}
    told = _to_json(bundle)
    data = save(tensors, {KEY: _text({"digest": _digest(told), "bundle": told})})
    try:
        write_whole(path, data)
    except OSError as error:
        raise BundleError(f"{one_line(path)} cannot be written: {reason(error)}") from None
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
    name = one_line(path)
    try:
        told = _verified(name, metadata)
        recorded = tuple(_recorded(name, place, entry, tensors) for place, entry in enumerate(told.cases))
        bundle = Bundle(told.subject, told.modes, told.seed, told.environment, recorded)
        str(bundle)  # its environment names the device
        left = [tensor for tensor in tensors if not _belongs(tensor, len(recorded))]
    except BundleError:
        raise
    except (NotTyped, CaseError) as error:
        raise BundleError(f"{name}: not a bundle of rnncheck: {one_line(error)}") from None
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, MemoryError) as error:
        raise BundleError(f"{name}: not a bundle of rnncheck: {said(error)}") from None
    if not recorded or left:
        what = "holds no cases" if not recorded else f"has been altered: whose is {quoted(left[0])}?"
        raise BundleError(f"{name}: {what}")
    return bundle


def _belongs(tensor: str, cases: int) -> bool:
    place = tensor.partition("/")[0]
    return place.isdecimal() and len(place) < 10 and int(place) < cases


def _contents(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file that is whole."""
    try:
        _check_header(path)
    except FileError as error:
        raise BundleError(str(error)) from None
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except Exception as error:  # what reading raises is not documented
        raise BundleError(f"{one_line(path)}: not a bundle, or truncated: {one_line(error)}") from None
    if KEY not in metadata:
        raise BundleError(f"{one_line(path)}: a safetensors file, but not a bundle of rnncheck; make one with: rnncheck record")
    return metadata, tensors


def _check_header(path: Path) -> None:
    """Raise FileError on what is no regular file, and on a header that is longer than the file or than any of ours."""
    start = read_start(path, HEADER.size)
    size = path.stat().st_size
    if len(start) == HEADER.size and not 2 <= HEADER.unpack(start)[0] <= min(size - HEADER.size, LONGEST_HEADER):
        raise file_error(path, f"not a bundle, or truncated: its header says that it is {HEADER.unpack(start)[0]:,} bytes long")


def _verified(name: str, metadata: dict[str, str]) -> Description:
    """The description of a bundle, whose digest is right."""
    whole = parse_json(metadata[KEY])
    if not isinstance(whole, dict) or not isinstance(whole.get("bundle"), dict):
        raise BundleError(f"{name}: not a bundle of rnncheck: its description is no table")
    told = whole["bundle"]
    schema = told.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise BundleError(f"{name}: schema = {quoted(schema)}, but this rnncheck reads up to {SCHEMA}: a newer one has written it")
    if schema != SCHEMA or told.get("kind") != KIND:
        came = f"schema = {quoted(schema)}, kind = {quoted(told.get('kind'))}"
        raise BundleError(f"{name}: {came}, but should be schema {SCHEMA}, kind {KIND!r}")
    if whole.get("digest") != _digest(told):
        raise BundleError(f"{name}: has been altered: its description is not what was recorded")
    return typed(told, Description)


def _recorded(name: str, place: int, entry: Entry, tensors: dict[str, Tensor]) -> Recorded:
    """One case, its tensors compared with their digest."""
    prefix = f"{place}/"
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    if digest(own) != entry.results:
        raise BundleError(f"{name}: has been altered: the tensors of case {place} are not what was recorded")
    run = None if entry.error is not None else Run(own["output"], own["h_n"], own.get("c_n"))
    case = Case.from_json(entry.case)
    lacking = lacks_memory(case)
    if lacking is not None:
        raise BundleError(f"{name}: case {place}: {lacking}")
    if digest(given(case)) != entry.given:
        raise BundleError(f"{name}: case {place} gives other numbers with this torch than where it was recorded")
    error = None if entry.error is None else one_line(entry.error, LONGEST)
    measured = _measured(own) if run is not None and case.config.named is not None else None
    return Recorded(case, run, {name: own.get(f"gradient/{name}") for name in entry.gradients}, error, measured)


def _measured(own: dict[str, Tensor]) -> Measured:
    """What is recorded of a typed recurrence beside its results."""

    def under(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in own.items() if name.startswith(prefix)}

    return Measured(under("number/"), Run(own["allowed/output"], own["allowed/h_n"]), under("allowed/gradient/"))
