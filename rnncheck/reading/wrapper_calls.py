"""What the forward of a wrapper may do to call a layer that wants another call than torch's."""

from collections.abc import Iterator

FORWARDS = (
    "return self.layer(input, hx)",
    "return self.layer(input)",
    """
    packed = pack_padded_sequence(input, torch.full((input.shape[1],), len(input)))
    output, state = self.layer(packed) if hx is None else self.layer(packed, hx)
    return pad_packed_sequence(output)[0], state
    """,
    """
    packed = pack_padded_sequence(input, torch.full((input.shape[1],), len(input)))
    return pad_packed_sequence(self.layer(packed))[0]
    """,
    """
    output, state = self.layer(input.permute(2, 1, 0), hx)
    return output.permute(2, 1, 0), state
    """,
    "return self.layer(input.permute(2, 1, 0)).permute(2, 1, 0)",
    """
    results = [self.layer(row) for row in input.unbind(1)]
    return torch.stack(results, 1)
    """,
    """
    states = [None] * input.shape[1] if hx is None else hx.split(1, 1)
    results = [self.layer(row, h) for row, h in zip(input.split(1, 1), states, strict=True)]
    return torch.cat([y for y, _ in results], 1), torch.cat([h for _, h in results], 1)
    """,
    """
    states = [None] * input.shape[1] if hx is None else hx[0]
    results = [self.layer(row, h) for row, h in zip(input.unbind(1), states, strict=True)]
    return torch.stack([y for y, _ in results], 1), torch.stack([h for _, h in results])[None]
    """,
    """
    states = [None] * input.shape[1] if hx is None else hx[0, ..., None]
    results = [self.layer(row, h) for row, h in zip(input.unbind(1), states, strict=True)]
    return torch.stack([y for y, _ in results], 1), torch.stack([h.flatten() for _, h in results])[None]
    """,
    """
    results = [self.layer(row) for row in input.split(1, 1)]
    return torch.cat(results, 1)
    """,
    """
    results = []
    for row in input.split(1, 1):
        self.layer.hidden = self.layer.init_hidden()
        results.append(self.layer(row))
    return torch.cat(results, 1)
    """,
    """
    results = []
    for row in input.unbind(1):
        self.layer.hidden = self.layer.init_hidden()
        results.append(self.layer(row))
    return torch.stack(results, 1)
    """,
    *(
        f"images = input[..., None, None].expand(*input.shape, 2, 2)  # of four equal pixels\n{call}"
        for call in (
            "output, state = self.layer(images, hx)\nreturn output.mean((-2, -1)), state",
            "state = self.layer(images, hx)\nreturn state[0].mean((-2, -1)), state",
            "h = self.layer(images, hx)\nreturn h.mean((-2, -1)), h",
            "output, states = self.layer(images, hx)\nreturn output[-1].mean((-2, -1)), states",
            "output, _ = self.layer(images)\nreturn output[-1].mean((-2, -1))",
            "return self.layer(images).mean((-2, -1))",
        )
    ),
    *(
        f"repeated = input.repeat_interleave({times}, 0)  # for a layer that makes one step of {times}\n{call}"
        for times in (2, 3, 4)
        for call in (
            "return self.layer(repeated)",
            "return self.layer(repeated.transpose(0, 1)).transpose(0, 1)",
            "return self.layer(repeated)[0]",
            "return self.layer(repeated.transpose(0, 1))[0].transpose(0, 1)",
            "return self.layer(repeated, torch.full((input.shape[1],), len(repeated)))[0]",
            "return self.layer(repeated.transpose(0, 1), torch.full((input.shape[1],), len(repeated)))[0].transpose(0, 1)",
        )
    ),
)  # fmt: skip
"""What a call may have to do, each until the layer is read behind it."""


def step_by_step(makers: list[str]) -> Iterator[str]:
    """Calls of one step each that begin with what one of these methods gives, whatever the sizes in it are."""
    for maker in makers:
        for rows in ("input.shape[1]", ""):
            for results in ("y, state", "state, y"):
                loop = f"for x in input:\n    {results} = self.layer(x, state)\n    outputs.append(y)"
                yield f"state, outputs = self.layer.{maker}({rows}), []\n{loop}\nreturn torch.stack(outputs)"
