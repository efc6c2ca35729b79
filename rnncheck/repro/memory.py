"""Scripts about what a call leaves behind: in its results, in what it was given, in the layer, in torch and Python."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rnncheck.catalog.mode import of_another_size
from rnncheck.catalog.tools.dropout_masks import panes
from rnncheck.core.case import Case
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.repro.construct import construction
from rnncheck.repro.literal import literal
from rnncheck.running.trial import Trial, seeded

_HEAD = '''

def results(layer, x):
    """Output and final states, as the layer returns them."""
    with torch.set_grad_enabled(layer.training and not torch.is_inference_mode_enabled()):
        output, state = layer(x) if hx is None else layer(x, hx)
    output = output if isinstance(output, torch.Tensor) else output.data
    return dict(zip(("output", "h_n", "c_n"), (output, *(state if isinstance(state, tuple) else (state,)))))


def surroundings(x):
    """All that a call reads, by name."""
    states = hx if isinstance(hx, tuple) else () if hx is None else (hx,)
    given = {"input": x if isinstance(x, torch.Tensor) else x.data, **{f"hx[{i}]": part for i, part in enumerate(states)}}
    return {**given, **dict(layer.named_parameters()), **dict(layer.named_buffers())}


def same(one, other):
    return torch.equal(torch.nan_to_num(one.detach(), nan=12345.0), torch.nan_to_num(other.detach(), nan=12345.0))


'''
_NO_ALIAS = """layer.eval()
found = results(layer, x)
everything = {**surroundings(x), **found}
first = {name: part.clone() for name, part in found.items()}
for written in found:
    before = {name: part.detach().clone() for name, part in everything.items()}
    with torch.no_grad():
        everything[written].fill_(float("nan"))
    for name, part in everything.items():
        assert name == written or same(part, before[name]), f"writing into {written} changes {name}"
for name, part in results(layer, x).items():
    few = 256 * torch.finfo(part.dtype).eps  # roundoffs
    assert torch.allclose(part, first[name], rtol=few, atol=few, equal_nan=True), f"the next call gives another {name}"
"""
_NO_MUTATION = '''def told(tensor):
    """Shape, strides, dtype, version (None of an inference tensor), requires_grad, whether it has a .grad."""
    version = None if tensor.is_inference() else tensor._version
    has_gradient = tensor.is_leaf and tensor.grad is not None
    return tuple(tensor.shape), tensor.stride(), tensor.dtype, version, tensor.requires_grad, has_gradient


for p in layer.parameters():
    p.grad = torch.ones_like(p) if p.requires_grad else None
for given, inference in ((x, False), (with_nan, False), (x, True)):
    before = {name: (told(part), part.detach().clone()) for name, part in surroundings(given).items()}
    modes = [module.training for module in layer.modules()]
    with torch.inference_mode(inference):
        results(layer, given)
    after = surroundings(given)
    assert list(after) == list(before), f"{list(before)} have become {list(after)}"
    for name, part in after.items():
        assert told(part) == before[name][0], f"{name} was {before[name][0]}, and is {told(part)}: {told.__doc__}"
        assert same(part, before[name][1]), f"{name} was {before[name][1].tolist()}, and is {part.tolist()}"
    assert [module.training for module in layer.modules()] == modes, "train/eval of a module has changed"
'''
_FRESH = """twin = copy.deepcopy(layer)
found = results(layer, x)
first = {name: part.detach().clone() for name, part in found.items()}
results(layer, other)
for name, part in found.items():
    assert same(part, first[name]), f"{name} is another after the next call"
    part.detach().fill_(float("nan"))
for told, again in (("the same call", results(layer, x)), ("another layer", results(twin, x))):
    for name, part in again.items():
        assert same(part, first[name]), f"{name} of {told} is another, once the caller has changed what was returned"
"""
_RNG = """before, python = torch.get_rng_state(), random.getstate()
results(layer, x)
assert torch.equal(torch.get_rng_state(), before), "torch's random state has changed, though nothing is random here"
assert random.getstate() == python, "Python's random state has changed, though nothing is random here"
"""
_LEAK = '''import gc


def use(call):
    """A call with other numbers, with backward in train()."""
    given = x + call if isinstance(x, torch.Tensor) else torch.nn.utils.rnn.PackedSequence(x.data + call, *x[1:])
    found = results(layer, given)
    if layer.training:
        sum(part.sum() for part in found.values()).backward()


def alive():
    gc.collect()
    return sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())


use(0), use(1)
before = alive()
use(2), use(3), use(4), use(5)
assert alive() - before < 4, f"{alive() - before} more tensors are alive after 4 more calls"
'''
_SETTINGS = '''def settings():
    """What holds for the whole process, by name."""
    backends = torch.backends
    found = {
        "default dtype": torch.get_default_dtype(), "default device": torch.get_default_device(),
        "grad mode": torch.is_grad_enabled(), "anomaly mode": torch.is_anomaly_enabled(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "warn only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "threads": torch.get_num_threads(), "flush denormals": sum([1e-310, 1e-310]) == 0.0,
        "autocast, cpu": torch.is_autocast_enabled("cpu"), "autocast, cuda": torch.is_autocast_enabled("cuda"),
        "Python's random numbers": random.getstate(),
    }
    places = {
        "mkldnn": backends.mkldnn, "cudnn": backends.cudnn, "cuda.matmul": backends.cuda.matmul,
        "mkldnn.matmul": getattr(backends.mkldnn, "matmul", None), "mkldnn.rnn": getattr(backends.mkldnn, "rnn", None),
        "cudnn.rnn": getattr(backends.cudnn, "rnn", None),
    }
    flags = ("enabled", "deterministic", "benchmark", "fp32_precision" if places["mkldnn.rnn"] else "allow_tf32")
    found |= {f"{place} {flag}": getattr(owner, flag, None) for place, owner in places.items() for flag in flags}
    return found


random.seed(1)
before = settings()
results(layer, x)
for of_another_size in wider:
    try:
        layer(*of_another_size)
    except Exception as error:
        print("refused with", type(error).__name__)
for name, now in settings().items():
    assert now == before[name], f"{name} was {before[name]!r:.40}, and is {now!r:.40}"
'''
_AUTOCAST = """with torch.autocast("cpu", dtype=torch.bfloat16):
    dtypes = {name: part.dtype for name, part in results(layer, x).items()}
print(dtypes)
assert dtypes["h_n"] == dtypes["output"], dtypes
assert {torch.bfloat16, torch.float32}.issuperset(dtypes.values()), dtypes
"""
_COPIED = """results(layer, x)
torch.manual_seed(0)
first = results(layer, x)
copies = {"a deep copy": copy.deepcopy(layer)}
try:
    pickle.dumps(type(layer))
except (pickle.PicklingError, AttributeError):
    print("not pickled: its class cannot be imported by its name")
else:
    copies["unpickled"] = pickle.loads(pickle.dumps(layer))
for told, twin in copies.items():
    torch.manual_seed(0)
    for name, part in results(twin, x).items():
        few = 256 * torch.finfo(part.dtype).eps  # roundoffs
        assert part.shape == first[name].shape, f"{name} of {told} has shape {tuple(part.shape)}"
        assert torch.allclose(part, first[name], rtol=few, atol=few, equal_nan=True), f"{name} of {told} is another"
"""
LEFT_BEHIND: Mapping[str, str] = {
    "layout.no_alias": _NO_ALIAS, "layout.no_mutation": _NO_MUTATION, "state.fresh": _FRESH, "mode.rng": _RNG,
    "shape.autocast": _AUTOCAST, "life.copied": _COPIED, "mode.settings": _SETTINGS,
    "life.leak": _LEAK,
}  # fmt: skip


def memory(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the property is not about what a call leaves behind."""
    if prop.id not in LEFT_BEHIND or not isinstance(case, Case):
        return None
    with seeded(case.seed, case.device):
        trial = Trial(subject, case)
        if prop.id == "life.copied" and case.dropout_active:
            trial = panes(trial)
        x, hx = trial.lay_out(trial.x, trial.state)
        other, _ = trial.lay_out(-trial.x, trial.state)
        spoilt = trial.x.index_fill(0, trial.x.new_zeros(1).long(), float("nan"))
        with_nan, _ = trial.lay_out(spoilt, trial.state)
        wider = tuple((given, _plain(state, case)) for given, state in of_another_size(trial))
        return "\n".join([
            "import copy\nimport pickle\nimport random\n",
            *construction("layer", trial.build(), trial.config, case),
            f"x = {literal(x)}",
            *([f"with_nan = {literal(with_nan)}"] if prop.id == "layout.no_mutation" else []),
            *([f"other = {literal(other)}"] if prop.id == "state.fresh" else []),
            *([f"wider = {literal(wider)}"] if prop.id == "mode.settings" else []),
            f"hx = {literal(_plain(hx, case))}",
            _HEAD + LEFT_BEHIND[prop.id],
        ])  # fmt: skip


def _plain(hx: tuple[Tensor, ...] | None, case: Case) -> Any:
    """The state as the layer takes it."""
    return hx if hx is None or case.config.has_cell else hx[0]
