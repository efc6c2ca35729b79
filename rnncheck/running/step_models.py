"""The models on which training steps are judged: small, written with torch alone, and copied into scripts as they are here."""

import torch


class StepModel(torch.nn.Module):
    """A model whose result for a micro-batch is its loss; it computes in its own dtype, and notes how it was called.

    seen: (training, whether autocast was on) at each call
    """

    def __init__(self, reduction: str) -> None:
        super().__init__()
        self.reduction = reduction
        self.seen: list[tuple[bool, bool]] = []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """The mean, or the sum, of the losses of the rows."""
        kind = batch.device.type
        self.seen.append((self.training, torch.is_autocast_enabled(kind)))
        with torch.autocast(kind, enabled=False):
            losses = self.losses(batch)
        return losses.mean() if self.reduction == "mean" else losses.sum()

    def losses(self, batch: torch.Tensor) -> torch.Tensor:
        """One loss a row."""
        raise NotImplementedError


class Linear(StepModel):
    """Two linear units; a row has three features and two targets, its loss is half the squared error."""

    def __init__(self, reduction: str) -> None:
        super().__init__(reduction)
        self.weight = torch.nn.Parameter(torch.zeros(2, 3))
        self.bias = torch.nn.Parameter(torch.zeros(2))

    def losses(self, batch: torch.Tensor) -> torch.Tensor:
        """(rows, 5) of numbers to (rows,)."""
        x, y = batch[:, :3], batch[:, 3:]
        return 0.5 * (x @ self.weight.T + self.bias - y).square().sum(1)


class Recurrent(StepModel):
    """Embedding, tanh network and head; a row has four letters of five, its loss is the mean cross entropy of the next ones."""

    def __init__(self, reduction: str) -> None:
        super().__init__(reduction)
        self.embed = torch.nn.Embedding(5, 3)
        self.rnn = torch.nn.RNN(3, 3, batch_first=True)
        self.head = torch.nn.Linear(3, 5)

    def losses(self, batch: torch.Tensor) -> torch.Tensor:
        """(rows, 4) of whole numbers to (rows,)."""
        output, _ = self.rnn(self.embed(batch[:, :-1]))
        logits = self.head(output).transpose(1, 2)
        return torch.nn.functional.cross_entropy(logits, batch[:, 1:], reduction="none").mean(1)


def make_optimizer(name: str, kernels: str, groups: list[list[torch.nn.Parameter]]) -> torch.optim.Optimizer:
    """The optimizer with learning rate 1/2 for the first group and 1/4 for the second."""
    options = {"foreach": kernels == "foreach", "fused": kernels == "fused"}
    kind, more = {
        "SGD": (torch.optim.SGD, {}), "momentum": (torch.optim.SGD, {"momentum": 0.5}),
        "Adam": (torch.optim.Adam, {}), "AdamW": (torch.optim.AdamW, {"weight_decay": 0.125}),
    }[name]  # fmt: skip
    rates = [{"params": group, "lr": rate} for group, rate in zip(groups, (0.5, 0.25))]  # noqa: B905
    return kind(rates, **options, **more)
