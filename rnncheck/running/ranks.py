"""A clip function in two processes that share the gradients as DTensors, as FSDP2 does: what each of them holds afterwards."""

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.plain_text import one_line, said
from rnncheck.running.clip_trial import Clip, Clipped, ClipTrial, Gradients, with_gradients
from rnncheck.running.subject_errors import SubjectError

RANKS = 2
WAIT_SECONDS, SECONDS = 15.0, 45.0
"""How long a rank waits for another, and how long all of them may take."""
CLIPPED = "clipped"
"""How a call ends that does not raise."""
TRANSPORT = "gloo/transport"
"""What gloo raises where another rank has ended, or does not answer, says this."""
Axes = Sequence[int | None]
"""The axis along which each gradient is cut into shards; None where every rank has a copy."""


class NoRanks(Exception):
    """Processes that talk to each other cannot be had here; the message is the reason."""


@dataclass(frozen=True)
class Call:
    """What each rank holds after a call, whole gradients; or what was raised on one of them; refused: on all of them."""

    ranks: tuple[Clipped, ...] = ()
    raised: str | None = None
    refused: bool = False

    def as_told(self) -> dict[str, Any]:
        """The same as ``clipped_on_ranks`` has it."""
        held = [{"gradients": list(run.after), "returned": run.returned} for run in self.ranks]
        return {"ended": self.raised or CLIPPED, "ranks": held}


def on_ranks(trial: ClipTrial, ways: Sequence[Axes]) -> list[Call]:
    """Return the results of a call for each of these ways to share the gradients, up to the first that raises.

    Raises NoRanks where torch.distributed cannot run.
    """
    interface = _loopback()
    from rnncheck.system.side_by_side import side_by_side  # which imports os.fork

    with TemporaryDirectory(prefix="rnncheck-ranks-") as folder:
        work = partial(_work, trial, ways, Path(folder), interface)
        try:
            how = side_by_side(RANKS, work, SECONDS)
        except OSError as error:
            raise NoRanks(f"no process could be started: {error.strerror}") from None
        begun = _said_at(Path(folder), 0, how)
        if begun.raised is not None:
            raise NoRanks(f"torch.distributed cannot run here: {begun.raised}")
        calls: list[Call] = []
        while len(calls) < len(ways) and (not calls or calls[-1].raised is None):
            calls.append(_said_at(Path(folder), len(calls) + 1, how, trial))
    trial.noted(clipped_on_ranks, trial.gradients, tuple(ways), result=[call.as_told() for call in calls])
    return calls


def _loopback() -> str:
    """Return the name of the interface that leads to this machine alone; raises NoRanks where there is none to talk over."""
    if not hasattr(os, "fork"):
        raise NoRanks("this system has no fork")
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        raise NoRanks("this torch is built without torch.distributed and gloo")
    if torch.distributed.is_initialized():
        raise NoRanks("this process is a rank of a process group itself")
    names = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    if not names:
        raise NoRanks("there is no loopback interface")
    for module in ("torch.distributed.tensor", "torch._dynamo"):  # what a DTensor needs, once here and not on each rank
        import_module(module)
    return names[0]


# on a rank ----------------------------------------------------------------------------------------------------------------


def _work(trial: ClipTrial, ways: Sequence[Axes], folder: Path, interface: str, rank: int) -> None:
    """Join the other rank, make the calls, and write down what came of each; end at the first that raises."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = interface
    begun = partial(_begin, folder / "store", rank)
    mesh = _told(folder, 0, rank, begun)
    for step, axes in enumerate(ways, 1):
        _told(folder, step, rank, partial(trial.do, clipped_on_a_rank, trial.gradients, axes, mesh, rank))
    torch.distributed.destroy_process_group()


def _told(folder: Path, step: int, rank: int, do: Any) -> Any:
    """Return what ``do`` does, and write it down; what it raises too."""
    raised, done = None, None
    try:
        done = do()
    except SubjectError as error:
        raised = said(error.cause)
    except Exception as error:
        raised = said(error)
    held = done if isinstance(done, dict) else {}
    part = folder / f"part-{rank}"
    torch.save({"raised": raised, "when": time.monotonic(), **held}, part)
    part.rename(_file(folder, step, rank))  # whole, or not at all
    if raised is not None:
        raise SystemExit(1)
    return done


def _begin(store: Path, rank: int) -> Any:
    """Return the mesh of all ranks, once each has heard of the other."""
    from torch.distributed.device_mesh import DeviceMesh

    shared = torch.distributed.FileStore(str(store), RANKS)
    wait = timedelta(seconds=WAIT_SECONDS)
    torch.distributed.init_process_group("gloo", store=shared, rank=rank, world_size=RANKS, timeout=wait)
    mesh = DeviceMesh("cpu", torch.arange(RANKS))
    torch.distributed.barrier()
    return mesh


def clipped_on_a_rank(clip: Clip, gradients: Gradients, axes: Axes, mesh: Any, rank: int) -> dict[str, Any]:
    """Return the whole gradients after a call with this rank's part of them, and what it returned."""
    parameters = with_gradients(gradients)
    for place, (parameter, axis) in enumerate(zip(parameters, axes, strict=True)):
        parameters[place] = torch.nn.Parameter(_part(parameter.detach(), axis, mesh, rank))
        parameters[place].grad = None if parameter.grad is None else _part(parameter.grad, axis, mesh, rank)
    norm = _whole(clip(parameters))
    gradients = [_whole(p.grad) for p in parameters]
    return {"gradients": gradients, "returned": norm if isinstance(norm, Tensor | float | int) else None}


def _part(whole: Tensor, axis: int | None, mesh: Any, rank: int) -> Tensor:
    """Return the DTensor, of which this rank holds a copy or a shard."""
    from torch.distributed.tensor import DTensor, Replicate, Shard

    placements = [Replicate() if axis is None else Shard(axis)]
    local = shard_of(whole, axis, rank).contiguous().clone()
    return DTensor.from_local(local, mesh, placements, run_check=False, shape=whole.shape, stride=whole.stride())


def shard_of(whole: Tensor, axis: int | None, rank: int) -> Tensor:
    """Return what this rank holds: all of it where axis is None, else what torch.chunk gives it, which may be nothing."""
    if axis is None:
        return whole
    shards = whole.chunk(RANKS, axis)
    return shards[rank] if rank < len(shards) else whole.narrow(axis, 0, 0)


def _whole(tensor: Any) -> Any:
    """Return all of a DTensor, in which the other ranks have to take part; anything else as it is."""
    return tensor.full_tensor().detach() if hasattr(tensor, "full_tensor") else tensor


def clipped_on_ranks(clip: Clip, gradients: Gradients, ways: Sequence[Axes]) -> list[dict[str, Any]]:
    """Return what each rank holds after a call, for each way to cut the gradients up: in a script, where nobody is watched."""
    fork = torch.multiprocessing.get_context("fork")
    with TemporaryDirectory() as folder:
        given = (clip, gradients, ways, Path(folder))
        ranks = [fork.Process(target=_at_work, args=(*given, rank), daemon=True) for rank in range(RANKS)]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join(SECONDS)
        ended = [process.exitcode for process in ranks]
        for process in ranks:
            process.kill()
        assert ended == [0] * RANKS, f"exit codes of the ranks: {ended}"
        found = [torch.load(Path(folder) / str(rank)) for rank in range(RANKS)]
    return [{"ended": CLIPPED, "ranks": list(way)} for way in zip(*found, strict=True)]


def _at_work(clip: Clip, gradients: Gradients, ways: Sequence[Axes], folder: Path, rank: int) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    mesh = _begin(folder / "store", rank)
    torch.save([clipped_on_a_rank(clip, gradients, axes, mesh, rank) for axes in ways], folder / str(rank))


# what the ranks said ----------------------------------------------------------------------------------------------------


def _said_at(folder: Path, step: int, how: Sequence[str | None], trial: ClipTrial | None = None) -> Call:
    """Return what came of a step: what was raised first, if anything was, for the other ranks only waited then."""
    files = [_file(folder, step, rank) for rank in range(RANKS)]
    found = [torch.load(file, weights_only=True) if file.exists() else None for file in files]
    raised = [(one["when"], rank, one["raised"]) for rank, one in enumerate(found) if one and one["raised"] is not None]
    if raised:
        _, rank, text = min(raised)
        died = [f"; rank {other} {how[other]}" for other, one in enumerate(found) if one is None and how[other]]
        waits = f"rank {rank} waits for another in vain: " if TRANSPORT in text else ""
        refused = len(raised) == RANKS and not any(TRANSPORT in one for _, _, one in raised)
        return Call(raised=f"{waits}{one_line(text)} (rank {rank}){''.join(died)}", refused=refused)
    silent = [rank for rank, one in enumerate(found) if one is None]
    if silent:
        return Call(raised=f"rank {silent[0]} {how[silent[0]]}")
    before = () if trial is None else trial.gradients
    return Call(tuple(Clipped(before, one.get("gradients", ()), one.get("returned")) for one in found if one))


def _file(folder: Path, step: int, rank: int) -> Path:
    return folder / f"{step}-{rank}"
