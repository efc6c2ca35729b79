"""Layers with further arguments, right ones and such with one mistake each, and a property that sees it."""

import torch
from torch import nn


class Episodes(nn.Module):
    """It begins anew where ``dones`` is 1."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.GRUCell(input_size, hidden_size)

    def kept(self, h, done):
        return h * (1 - done)[:, None]

    def forward(self, x, h, dones):
        outputs = []
        for step, done in zip(x, dones, strict=True):
            h = self.cell(step, self.kept(h, done))
            outputs.append(h)
        return torch.stack(outputs), h


class BeganAfter(Episodes):
    """It forgets after the step of the flag."""

    def forward(self, x, h, dones):
        outputs = []
        for step, done in zip(x, dones, strict=True):
            outputs.append(self.cell(step, h))
            h = self.kept(outputs[-1], done)
        return torch.stack(outputs), h


class Continues(Episodes):
    """It begins anew where ``masks`` is 0."""

    def kept(self, h, mask):
        return h * mask[:, None]

    def forward(self, x, h, masks):
        return super().forward(x, h, masks)


class AllBeginAnew(Episodes):
    """One sequence's flag resets all."""

    def kept(self, h, done):
        return h * (1 - done.max())


class ALittleIsKept(Episodes):
    """A hundredth of the state outlives a reset."""

    def kept(self, h, done):
        return h * (1 - 0.99 * done)[:, None]


class OneStepGoesOn(Episodes):
    """A call of one step, as in acting, does not look at its flag."""

    def forward(self, x, h, dones):
        return super().forward(x, h, dones if len(x) > 1 else torch.zeros_like(dones))


class SeveralStepsGoOn(Episodes):
    """A call of several steps, as in training, does not look at the first one's flag."""

    def forward(self, x, h, dones):
        return super().forward(x, h, dones if len(x) == 1 else torch.cat([torch.zeros_like(dones[:1]), dones[1:]]))


class OutputIsCleared(Episodes):
    """The flag acts on the output of its step, too."""

    def forward(self, x, h, dones):
        outputs = []
        for step, done in zip(x, dones, strict=True):
            h = self.kept(self.cell(step, h), done)
            outputs.append(h)
        return torch.stack(outputs), h


class WithTimes(nn.Module):
    """A leaky recurrence with the time that passes before each step, (batch, time)."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner, self.hidden_size = nn.Linear(input_size + hidden_size, hidden_size), hidden_size

    def passed(self, dt, t):
        return dt[:, t, None]

    def forward(self, x, h=None, dt=None):
        h, outputs = x.new_zeros(len(x), self.hidden_size) if h is None else h, []
        dt = x.new_ones(x.shape[:2]) if dt is None else dt
        for t in range(x.shape[1]):
            leak = torch.exp(-self.passed(dt, t))
            h = leak * h + (1 - leak) * torch.tanh(self.inner(torch.cat([x[:, t], h], 1)))
            outputs.append(h)
        return torch.stack(outputs, 1), h


class TimesOfTheFirstRow(WithTimes):
    """All sequences have the times of the first."""

    def passed(self, dt, t):
        return dt[:1, t, None]


class TimesOfTheNextStep(WithTimes):
    """The time after a step, in place of the time before it."""

    def passed(self, dt, t):
        return dt[:, min(t + 1, dt.shape[1] - 1), None]


class TimesOfTheFirstStep(WithTimes):
    """Every step has the time of the first."""

    def passed(self, dt, t):
        return dt[:, 0, None]


class WithGaps(nn.Module):
    """What is not ``seen``, (batch, time, features), between 0 and 1, is filled from the step before."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell, self.hidden_size = nn.GRUCell(input_size, hidden_size), hidden_size

    def filling(self, x, t, last):
        return last

    def forward(self, x, seen):
        h, last, outputs = x.new_zeros(len(x), self.hidden_size), torch.zeros_like(x[:, 0]), []
        for t in range(x.shape[1]):
            last = seen[:, t] * x[:, t] + (1 - seen[:, t]) * self.filling(x, t, last)
            h = self.cell(last, h)
            outputs.append(h)
        return torch.stack(outputs, 1), h


class FilledFromTheNext(WithGaps):
    """What is not seen is filled from the step after."""

    def filling(self, x, t, last):
        return x[:, min(t + 1, x.shape[1] - 1)]


class WithActions(nn.Module):
    """Beside the observations it reads the last actions, numbers as wide as the state, except in the first step of an episode."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.GRUCell(input_size + hidden_size, hidden_size)

    def forward(self, x, actions, is_first):
        h, outputs = x.new_zeros(len(x), self.cell.hidden_size), []
        for t in range(x.shape[1]):
            keep = 1 - is_first[:, t, None].to(x.dtype)
            h = self.cell(torch.cat([x[:, t], self.acted(actions[:, t], keep)], -1), keep * h)
            outputs.append(h)
        return torch.stack(outputs, 1)

    def acted(self, action, keep):
        return keep * action


class ActionsOfNoRow(WithActions):
    """The first step of one episode silences the actions of all."""

    def acted(self, action, keep):
        return keep.amin(0) * action


RIGHT = (Episodes, BeganAfter, Continues, WithTimes, WithGaps, WithActions)
MISTAKES = (
    AllBeginAnew, ALittleIsKept, OneStepGoesOn, SeveralStepsGoOn, OutputIsCleared, TimesOfTheFirstRow, TimesOfTheNextStep,
    TimesOfTheFirstStep, FilledFromTheNext, ActionsOfNoRow,
)  # fmt: skip
