"""The last lines of scripts about the graph that a call leaves behind; they stand on those of rnncheck.repro.gradients."""

from collections.abc import Mapping

_HALF = """def half_the_digits(gradients):
    eps = torch.finfo(x.dtype).eps
    return {name: 0.0 if g is None else eps**0.5 * g.abs().max().item() for name, g in gradients.items()}


"""
_MEMORY = (
    _HALF
    + """# gradients that arrive in memory of another shape; and they are the caller's
def through(given, leaves):
    results = actual(leaves)
    incoming = [given(results[name].shape, cotangents[name].to(results[name])) for name in results]
    before = [g.clone() for g in incoming]
    found = torch.autograd.grad(list(results.values()), list(leaves.values()), incoming, allow_unused=True)
    for name, g, was in zip(results, incoming, before):
        assert torch.equal(g, was), f"backward has written into the incoming gradient of {name}"
    return dict(zip(leaves, found))


SHAPES = {
    "contiguous": lambda shape, g: g.clone(),
    "transposed": lambda shape, g: g.transpose(0, 1).contiguous().transpose(0, 1),
    "strided": lambda shape, g: torch.stack([g, torch.zeros_like(g)], dim=-1)[..., 0],
    "offset": lambda shape, g: torch.cat([g.new_zeros(1), g.flatten()])[1:].view(shape),
}
for told, given in SHAPES.items():
    compare(through(given, leaves_of(own)), true_gradients(), f"incoming gradients {told}: the ")
plain = through(lambda shape, g: torch.ones_like(g), leaves_of(own))
allowed = half_the_digits(plain)
compare(through(lambda shape, g: g.new_ones(()).expand(shape), leaves_of(own)), plain, "incoming gradients expanded: the ")
"""
)
_SEVERAL = (
    _HALF
    + """# two calls are open at once; each has the gradients that it has alone
def with_input(input):
    return leaves_of(own) | {"input": input.clone().requires_grad_()}


inputs = (x, 1 - x)
alone = [gradients(loss_of(actual(leaves)), leaves) for leaves in map(with_input, inputs)]
for order in ((0, 1), (1, 0)):
    leaves = [with_input(input) for input in inputs]
    losses = [loss_of(actual(one)) for one in leaves]
    for k in order:
        allowed = half_the_digits(alone[k])
        compare(gradients(losses[k], leaves[k]), alone[k], f"call {k + 1} of two, the order of backward {order}: the ")
"""
)
_CHANGED = """# what is written into between call and backward: refused, or the gradients of the call
for what in ("input", "state", "parameters", "results"):
    leaves = leaves_of(own)
    given = {name: leaf.clone() for name, leaf in leaves.items() if name not in own}
    results = run(layer, given["input"], states_in(given))
    loss = loss_of(results)
    written = {"input": [given["input"]], "state": states_in(given), "parameters": own.values(), "results": results.values()}
    with torch.no_grad():
        for tensor in written[what]:
            tensor.add_(1.0)
    try:
        found = gradients(loss, leaves)
    except RuntimeError as error:
        print(f"{what} changed: refused, as it may be:", error)
        found = {}
    with torch.no_grad():
        for name, p in own.items():
            p.copy_(parameters[name])
    compare(found, true_gradients(), f"{what} changed between call and backward: the ")
"""
_UNFROZEN = """# called while it was frozen, and then unfrozen
for p in own.values():
    p.requires_grad_(False)
run(layer, x, state)
for p in own.values():
    p.requires_grad_(True)
leaves = leaves_of(own)
compare(gradients(loss_of(actual(leaves)), leaves), true_gradients())
"""
OPEN: Mapping[str, str] = {
    "graph.memory": _MEMORY, "graph.several": _SEVERAL, "graph.changed": _CHANGED, "graph.unfrozen": _UNFROZEN,
}  # fmt: skip
"""By property."""
