"""The documented equations as text, for scripts that compute what is expected in a few plain lines."""

from collections.abc import Mapping

from rnncheck.core import kinds
from rnncheck.core.config import Config
from rnncheck.core.kinds import Kind

STEPS: Mapping[Kind, str] = {
    kinds.RNN_TANH: "h_new = torch.tanh(a + u)",
    kinds.RNN_RELU: "h_new = torch.relu(a + u)",
    kinds.LSTM: """i, f, g, o = (a + u).chunk(4, -1)
                c_new = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h_new = o.sigmoid() * c_new.tanh()""",
    kinds.GRU: """(a_r, a_z, a_n), (u_r, u_z, u_n) = a.chunk(3, -1), u.chunk(3, -1)
                r, z = (a_r + u_r).sigmoid(), (a_z + u_z).sigmoid()
                h_new = (1 - z) * (a_n + r * u_n).tanh() + z * h""",
    kinds.GRU_RESET_BEFORE: """(a_r, a_z, a_n), (u_r, u_z, _) = a.chunk(3, -1), u.chunk(3, -1)
                r, z = (a_r + u_r).sigmoid(), (a_z + u_z).sigmoid()
                u_n = linear(r * h, p["weight_hh" + s].chunk(3)[2], b_hh if b_hh is None else b_hh.chunk(3)[2])
                h_new = (1 - z) * (a_n + u_n).tanh() + z * h""",
}

_TEMPLATE = '''def expected_run(p, x, state, lengths):
    """The documented equations in float64, step by step; x is (time, batch, input)."""
    linear, time = torch.nn.functional.linear, len(x)
    final_h, final_c = [], []
    for layer in range({layers}):
        halves = []
        for direction in range({directions}):
            s = f"_l{{layer}}" + "_reverse" * direction
            b_ih, b_hh = p.get("bias_ih" + s), p.get("bias_hh" + s)
            h{c_start} = (part[len(final_h)] for part in state)
            outputs = [None] * time
            for t in reversed(range(time)) if direction else range(time):
                a, u = linear(x[t], p["weight_ih" + s], b_ih), linear(h, p["weight_hh" + s], b_hh)
                {step}{project}
                alive = (lengths > t)[:, None]
                h{c_keep} = torch.where(alive, h_new, h){c_where}
                outputs[t] = torch.where(alive, h, 0.0)
            halves.append(torch.stack(outputs))
            final_h.append(h){c_final}
        x = torch.cat(halves, -1)
    return {{"output": x, "h_n": torch.stack(final_h){c_return}}}
'''


def reference_text(config: Config) -> str:
    """A function ``expected_run(parameters, x, state, lengths)`` for this mode, layers and directions."""
    cell = config.takes_tuple
    return _TEMPLATE.format(
        layers=config.num_layers,
        directions=config.directions,
        step=STEPS[config.kind],
        project='\n                h_new = linear(h_new, p["weight_hr" + s])' if config.proj_size else "",
        c_start=", c" if cell else ",",
        c_keep=", c" if cell else "",
        c_where=", torch.where(alive, c_new, c)" if cell else "",
        c_final="\n            final_c.append(c)" if cell else "",
        c_return=', "c_n": torch.stack(final_c)' if cell else "",
    )
