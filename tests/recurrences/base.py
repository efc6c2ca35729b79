"""Small recurrences as modules with torch's call, in right forms: a loop, chunks, the whole at once, a scan, in logarithms.

In all of them x is (time, batch, input_size) and the output (time, batch, hidden_size). The state is a tensor that has the batch
first, or a tuple of such. Forms of one recurrence have the same parameters, and methods that a bug can be planted in.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize, softplus

KEYS = 3
"""Features of a key."""
CHUNK = 2
"""Steps of a chunk."""


class Recurrence(nn.Module):
    """What they share: sizes, and a state that is zero where none is given."""

    rnncheck_mode = "other"
    parts: tuple[int, ...] = ()
    """The axes of the state between the batch and hidden_size."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.make()

    def make(self):
        raise NotImplementedError

    def forward(self, x, state=None):
        state = self.begin(x, state)
        return self.run(x, state)

    def begin(self, x, state):
        """The given state, or zeros."""
        return x.new_zeros(x.shape[1], *self.parts, self.hidden_size) if state is None else state

    def run(self, x, state) -> tuple[Tensor, Tensor]:
        """(output, final state)"""
        raise NotImplementedError


# minimal gated recurrent unit (Feng et al. 2024) ------------------------------------------------------------------------


class MinGRU(Recurrence):
    """h = (1 - z) h + z g(v), where z and v see the input alone; step by step."""

    def make(self):
        self.to_z, self.to_v = (nn.Linear(self.input_size, self.hidden_size) for _ in range(2))

    def run(self, x, h):
        z, v = self.to_z(x), self.candidate(self.to_v(x))
        outputs = []
        for t in range(len(x)):
            h = torch.lerp(h, v[t], z[t].sigmoid())
            outputs.append(h)
        return torch.stack(outputs), h.clone()

    def candidate(self, v):
        return torch.where(v >= 0, v + 0.5, v.sigmoid())


class MinGRUInLogarithms(MinGRU):
    """The same at once: sums of exponentials, whose logarithms are summed up."""

    def run(self, x, h):
        z, v = self.to_z(x), self.candidate(self.to_v(x))
        kept = self.kept(z)
        new = torch.logcumsumexp(logsigmoid(z) + v.log() - kept, 0)
        outputs = (new + kept).exp() + self.carried(kept, h)
        return outputs, outputs[-1].clone()

    def kept(self, z):
        """The logarithm of what is left at each step of what came before the first."""
        return (-softplus(z)).cumsum(0)

    def carried(self, kept, h):
        return kept.exp() * h


# diagonal state space ---------------------------------------------------------------------------------------------------


class DiagonalSSM(Recurrence):
    """h = a h + B x, y = C h + D x, with a near 1; step by step."""

    def make(self):
        self.rate = nn.Parameter(torch.linspace(-3.0, 0.0, self.hidden_size))
        self.into, self.out, self.skip = (
            nn.Linear(size, self.hidden_size, bias=False) for size in (self.input_size, self.hidden_size, self.input_size)
        )

    def run(self, x, h):
        states = self.states(self.into(x), h)
        return self.out(states) + self.skip(x), states[-1].clone()

    def decay(self):
        return (-softplus(self.rate)).exp()

    def states(self, u, h):
        states = []
        for u_t in u:
            h = self.decay() * h + u_t
            states.append(h)
        return torch.stack(states)


class SSMByDoubling(DiagonalSSM):
    """The same by a scan that doubles its reach (Hillis and Steele)."""

    def states(self, u, h):
        u = torch.cat([u[:1] + self.decay() * h, u[1:]])
        decay, reach = self.decay(), 1
        while reach < len(u):
            u = torch.cat([u[:reach], u[reach:] + decay * u[:-reach]])
            decay, reach = decay * decay, 2 * reach
        return u


class SSMByKernel(DiagonalSSM):
    """The same as a convolution with the powers of a."""

    def states(self, u, h):
        time = len(u)
        powers = self.powers(time)
        apart = (torch.arange(time)[:, None] - torch.arange(time)).clamp(min=0)
        weights = powers[apart] * torch.ones(time, time).tril().to(u)[..., None]
        return torch.einsum("tsh,sbh->tbh", weights, u) + (powers * self.decay())[:, None] * h

    def powers(self, time):
        """(time, hidden_size): a to the power of 0, 1, ..."""
        return self.decay() ** torch.arange(time).to(self.rate)[:, None]


# gated linear attention (Yang et al. 2024) ------------------------------------------------------------------------------


class GatedLinearAttention(Recurrence):
    """S = diag(decay) S + k v^T, y = S^T q, with decays near 1; step by step. S is (batch, keys, hidden_size)."""

    parts = (KEYS,)

    def make(self):
        self.to_q, self.to_k, self.to_g = (nn.Linear(self.input_size, KEYS) for _ in range(3))
        self.to_v = nn.Linear(self.input_size, self.hidden_size)

    def run(self, x, state):
        return self.attend(self.query(x), self.to_k(x), self.to_v(x), self.log_decay(x), state)

    def query(self, x):
        return self.to_q(x) * KEYS**-0.5

    def log_decay(self, x):
        return logsigmoid(self.to_g(x)) / 4

    def attend(self, q, k, v, g, state):
        outputs = []
        for t in range(len(q)):
            state = self.step(state, k[t], v[t], g[t])
            outputs.append((q[t][..., None] * state).sum(1))
        return torch.stack(outputs), state.clone()

    def step(self, state, k, v, g):
        return g.exp()[..., None] * state + k[..., None] * v[:, None]


class AttentionInChunks(GatedLinearAttention):
    """The same in chunks: inside of one by a matrix, from one to the next by the state."""

    def attend(self, q, k, v, g, state):
        outputs = []
        for begin in range(0, len(q), self.steps(q)):
            chunk = slice(begin, begin + self.steps(q))
            output, state = self.chunk(q[chunk], k[chunk], v[chunk], g[chunk].cumsum(0), state)
            outputs.append(output)
        return torch.cat(outputs), state.clone()

    def steps(self, q):
        """Steps of a chunk."""
        return CHUNK

    def chunk(self, q, k, v, b, state):
        """b: the logarithm of what is left at each step of what came before the chunk."""
        output = torch.einsum("tbk,bkh->tbh", q * b.exp(), state) + torch.einsum("tsb,sbh->tbh", self.inside(q, k, b), v)
        return output, self.carry(k, v, b, state)

    def inside(self, q, k, b):
        """(time, time, batch): what a step's query finds at each step up to it."""
        since = self.masked(b[:, None] - b[None])
        return (q[:, None] * since.exp() * k[None]).sum(-1)

    def masked(self, since):
        later = torch.ones(since.shape[:2], dtype=torch.bool, device=since.device).triu(1)
        return since.masked_fill(later[..., None, None], -torch.inf)

    def carry(self, k, v, b, state):
        return b[-1].exp()[..., None] * state + torch.einsum("tbk,tbh->bkh", k * (b[-1] - b).exp(), v)


class AttentionAtOnce(AttentionInChunks):
    """The same in one chunk."""

    def steps(self, q):
        return max(1, len(q))


# delta rule (Schlag et al. 2021) ----------------------------------------------------------------------------------------


class DeltaRule(Recurrence):
    """S = S + beta k (v - S^T k)^T, y = S^T q, with keys of length 1; step by step."""

    parts = (KEYS,)

    def make(self):
        self.to_q, self.to_k = (nn.Linear(self.input_size, KEYS) for _ in range(2))
        self.to_v, self.to_beta = nn.Linear(self.input_size, self.hidden_size), nn.Linear(self.input_size, 1)

    def run(self, x, state):
        return self.write(self.to_q(x), self.key(x), self.to_v(x), self.beta(x), state)

    def key(self, x):
        return normalize(self.to_k(x), dim=-1, eps=1e-3)

    def beta(self, x):
        return self.to_beta(x).sigmoid()

    def write(self, q, k, v, beta, state):
        outputs = []
        for t in range(len(q)):
            error = v[t] - (k[t][..., None] * state).sum(1)
            state = state + k[t][..., None] * (beta[t] * error)[:, None]
            outputs.append((q[t][..., None] * state).sum(1))
        return torch.stack(outputs), state.clone()


class DeltaRuleInChunks(DeltaRule):
    """The same in chunks: the errors inside of one are the solution of a triangular system."""

    def write(self, q, k, v, beta, state):
        outputs = []
        for begin in range(0, len(q), CHUNK):
            chunk = slice(begin, begin + CHUNK)
            output, state = self.chunk(*(part[chunk].transpose(0, 1) for part in (q, k, v, beta)), state)
            outputs.append(output.transpose(0, 1))
        return torch.cat(outputs), state.clone()

    def chunk(self, q, k, v, beta, state):
        """All with the batch first."""
        written = self.errors(k, beta * (v - k @ state), beta)
        return q @ state + (q @ k.mT).tril() @ written, state + k.mT @ written

    def errors(self, k, known, beta):
        before = (beta * (k @ k.mT)).tril(-1)
        return torch.linalg.solve_triangular(before + torch.eye(k.shape[1]).to(k), known, upper=False, unitriangular=True)


# scalar LSTM of xLSTM (Beck et al. 2024) --------------------------------------------------------------------------------


class SLSTM(Recurrence):
    """c = f c + i z, n = f n + i, h = o c / max(|n|, 1), where i is an exponential, kept in bounds by a fourth state m."""

    def make(self):
        self.into = nn.Linear(self.input_size, 4 * self.hidden_size)
        self.back = nn.Linear(self.hidden_size, 4 * self.hidden_size, bias=False)

    def begin(self, x, state):
        zero = x.new_zeros(x.shape[1], self.hidden_size)
        return (zero, zero, zero, zero) if state is None else state

    def run(self, x, state):
        outputs = []
        for x_t in x:
            state = self.step(x_t, *state)
            outputs.append(state[2])
        return torch.stack(outputs), tuple(part.clone() for part in state)

    def step(self, x, c, n, h, m):
        i, f, z, o = (self.into(x) + self.back(h)).chunk(4, -1)
        larger = torch.maximum(logsigmoid(f) + m, i)
        new, kept = (i - larger).exp(), (logsigmoid(f) + m - larger).exp()
        c, n = kept * c + new * z.tanh(), kept * n + new
        return c, n, o.sigmoid() * c / n.abs().clamp(min=1.0), larger


FORMS = {
    MinGRU: (MinGRUInLogarithms,),
    DiagonalSSM: (SSMByDoubling, SSMByKernel),
    GatedLinearAttention: (AttentionInChunks, AttentionAtOnce),
    DeltaRule: (DeltaRuleInChunks,),
    SLSTM: (),
}
"""The loop, and its other forms."""
