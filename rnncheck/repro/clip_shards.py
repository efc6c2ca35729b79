"""The script of a clip function that goes wrong where two ranks share the gradients, or where each has a list of its own."""

from typing import Any

from rnncheck.catalog.clip_shards import ways_to_share
from rnncheck.core.clip_case import ClipCase
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.repro.clip_facts import parameter_lines
from rnncheck.repro.literal import literal
from rnncheck.running.clip_trial import ClipTrial

_TRUTH = """given = [p.grad for p in parameters if p.grad is not None and p.grad.numel()]
bound = float(torch.linalg.vector_norm(torch.cat([g.double().flatten() for g in given]), norm_type)) / 2


def off(gradient, before):
    return (gradient.double() - before.double() / 2).abs().max().item() / (before.double().abs().max().item() or 1.0)

"""
_LISTS = """
halves = [[g.flatten().chunk(2)[rank] for g in given if g.numel() > 1] for rank in (0, 1)]
halves[0] += [g.flatten() for g in given if g.numel() == 1]
for lists in (halves, [given[0::2], given[1::2]]):
    if all(lists):
        shared = [[torch.nn.Parameter(torch.ones_like(g)) for g in part] for part in lists]
        for p, g in zip(sum(shared, []), sum(lists, [])):
            p.grad = g.clone()
        build(shared, bound, **options)
        for p, g in zip(sum(shared, []), sum(lists, [])):
            assert off(p.grad, g) <= 0.02, f"a list for each rank: {p.grad.tolist()}, but should be {(g.double() / 2).tolist()}"
"""
_RANKS = """

def part(whole, axis, mesh, rank):
    local, placement = whole.clone(), Replicate()
    if axis is not None:
        shards, placement = whole.chunk(2, axis), Shard(axis)
        local = (shards[rank] if rank < len(shards) else whole.narrow(axis, 0, 0)).clone()
    return DTensor.from_local(local, mesh, [placement], run_check=False, shape=whole.shape, stride=whole.stride())


def work(rank, folder):
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    store, wait = torch.distributed.FileStore(f"{folder}/store", 2), timedelta(seconds=15)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=wait)
    mesh = torch.distributed.device_mesh.DeviceMesh("cpu", torch.arange(2))
    for axes in shared_along:
        shared = [torch.nn.Parameter(part(torch.ones_like(p), axis, mesh, rank)) for p, axis in zip(parameters, axes)]
        for p, own, axis in zip(parameters, shared, axes):
            own.grad = None if p.grad is None else part(p.grad, axis, mesh, rank)
        build(shared, bound, **options)
        for p, own in zip(parameters, shared):
            if p.grad is not None and p.grad.numel():
                whole = own.grad.full_tensor()
                should = f"but should be {(p.grad.double() / 2).tolist()}"
                assert off(whole, p.grad) <= 0.02, f"shared along {axes}, rank {rank}: {whole.tolist()}, {should}"


with tempfile.TemporaryDirectory() as folder:
    fork = torch.multiprocessing.get_context("fork")
    ranks = [fork.Process(target=work, args=(rank, folder), daemon=True) for rank in (0, 1)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(45)
    ended = [process.exitcode for process in ranks]
    for process in ranks:
        process.kill()
assert ended == [0, 0], f"exit codes of the two ranks: {ended}"
"""


def clip_shards(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the property is another."""
    if prop.id != "clip.shards" or not isinstance(case, ClipCase):
        return None
    trial = ClipTrial(subject, case)
    lines = [
        "import os\nimport socket\nimport tempfile\nfrom datetime import timedelta\n",
        "from torch.distributed.tensor import DTensor, Replicate, Shard\n",
        *parameter_lines(trial.gradients),
        f"norm_type, options = {literal(case.norm_type)}, {literal(trial.options)}",
        f"shared_along = {list(ways_to_share(trial).values())!r}",
        _TRUTH + (_LISTS if subject.offers("nested") else "") + _RANKS,
    ]
    return "\n".join(lines)
