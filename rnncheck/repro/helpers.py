"""The few functions at the head of a script of calls."""

from rnncheck.case import Case

_LOAD = '''def load(layer, parameters, names={names}):
    """Set the parameters, given under torch's names."""
    own = dict(layer.named_parameters())
    with torch.no_grad():
        for key, value in parameters.items():
            own[names.get(key, key)].copy_(value)


def call(layer, x, hx, grad):
    """(output, (h_n,)) or (output, (h_n, c_n))"""
    with torch.set_grad_enabled(grad):
        output, state = layer(x) if hx is None else layer(x, hx)
    return output, state if isinstance(state, tuple) else (state,)


def same(seen, was):
    """The same shape and, but for another machine's rounding, the same numbers."""
    if seen.shape != was.shape or not was.is_floating_point():
        return seen.shape == was.shape and bool((seen == was).all())
    return torch.allclose(seen, was, rtol=16 * torch.finfo(was.dtype).eps, atol=1e-30, equal_nan=True)
'''
_GRADIENTS = '''

def gradients(layer, x, state, lengths, cotangents, names={names}):
    """Of sum(result * cotangent), by "input", "h_0", "c_0" and parameter; x is (time, batch, input)."""
    leaves = dict(zip(("input", "h_0", "c_0"), (x, *(state or ()))))
    leaves = {{name: leaf.clone().requires_grad_() for name, leaf in leaves.items()}}
    x, *state = leaves.values()
    {lay_out}
    output, state = call(layer, x, {hx}, True)
    {read}
    loss = sum((part * cotangent).sum() for part, cotangent in zip((output, *state), cotangents))
    torch_names = {{own: name for name, own in names.items()}}
    leaves |= {{torch_names.get(name, name): p for name, p in layer.named_parameters()}}
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return dict(zip(leaves, found))
'''
_FORMS = {
    "packed": ("x = torch.nn.utils.rnn.pack_padded_sequence(x, tensor(lengths), enforce_sorted={sorted})",
               "output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, total_length={time})"),
    "unbatched": ("x, state = x[:, 0], [part[:, 0] for part in state]",
                  "output, state = output.unsqueeze(1), [part.unsqueeze(1) for part in state]"),
    "batch_first": ("x = x.transpose(0, 1)", "output = output.transpose(0, 1)"),
    "plain": ("pass", "pass"),
}  # fmt: skip


def helpers(case: Case, renamed: dict[str, str], kinds: list[str]) -> str:
    """``load``, ``call``, ``same``, and ``gradients`` where they are needed, for the form of this case."""
    form = "packed" if case.lengths is not None else "unbatched" if case.batch is None else "plain"
    form = "batch_first" if form == "plain" and case.config.batch_first else form
    lay_out, read = (text.format(sorted=case.sorted_lengths, time=case.time) for text in _FORMS[form])
    text = "\n" + _LOAD.format(names=renamed)
    if "gradients" in kinds:
        hx = "(tuple(state) or None)" if case.config.has_cell else "(state[0] if state else None)"
        text += _GRADIENTS.format(names=renamed, lay_out=lay_out, read=read, hx=hx)
    return f"{text}\n\ntorch.manual_seed({case.seed})\n"
