"""Five mistakes that real implementations had: each is one line of a layer that is right otherwise."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from rnncheck.files.writing import write_whole


@dataclass(frozen=True)
class Mistake:
    """One wrong line of a layer.

    layer:   the class, ``GRU`` or ``LSTM``; its text is the file of that name beside this one
    right:   the line as it should be; wrong: as it was written
    story:   what happens, and why the usual tests do not see it
    sources: public reports of the same mistake
    """

    name: str
    layer: str
    right: str
    wrong: str
    story: str
    sources: tuple[str, ...]

    @property
    def fixed(self) -> str:
        """Return the layer's text with the right line."""
        return (Path(__file__).parent / f"{self.layer.lower()}.py").read_text(encoding="utf-8")

    @property
    def text(self) -> str:
        """Return the layer's text with the wrong line."""
        return self.fixed.replace(self.right, self.wrong)

    @property
    def change(self) -> list[str]:
        """Return what has to be changed, as the lines of a unified diff."""
        return list(difflib.unified_diff(self.text.splitlines(), self.fixed.splitlines(), lineterm="", n=1))[3:]


MISTAKES = {
    mistake.name: mistake
    for mistake in (
        Mistake(
            "reset-gate", "GRU",
            "n = torch.tanh(x_n + r * h_n)",
            "n = torch.tanh(x_n + linear(r * h, self.weight_hh_l0.chunk(3)[2], self.bias_hh_l0.chunk(3)[2]))",
            "The reset gate is applied before the product with the weights, as in the first paper, and not after it, as in torch "
            "and cuDNN. Shapes, ranges and training are fine; only numbers from torch's own weights are off, by some 0.1.",
            ("tracel-ai/burn#2701", "keras-team/keras#8307", "microsoft/onnxscript#2852"),
        ),
        Mistake(
            "gate-order", "LSTM",
            "i, f, g, o = gates.chunk(4, -1)",
            "i, f, o, g = gates.chunk(4, -1)",
            "The candidate and the output gate are taken in another order than torch stores them. A network that is trained from "
            "scratch learns as well as any; one that loads torch's weights is wrong.",
            ("pytorch/pytorch#11335", "apple/coremltools#93"),
        ),
        Mistake(
            "stale-state", "GRU",
            "h = self.step(x, h)",
            "h = self.step(x, h_0)",
            "Every step begins with the initial state. One step is right, and so is every shape.",
            ("tracel-ai/burn#2701", "jacobkimmel/pytorch_convgru#11"),
        ),
        Mistake(
            "batch-first", "LSTM",
            "return output.transpose(0, 1) if self.batch_first else output, (h[None], c[None])",
            "return output, (h[None], c[None])",
            "With batch_first the output is never transposed back. A test with as many steps as sequences sees no wrong shape.",
            ("pytorch/pytorch#80306", "NISCHALPI/xLSTM-and-mLSTM#2"),
        ),
        Mistake(
            "detached", "GRU",
            "h = self.step(x, h)",
            "h = self.step(x, h.data)",
            "The graph is cut between the steps. Every output is right; gradients know one step, so that the layer learns nothing "
            "about the past.",
            ("allenai/allennlp#2534",),
        ),
    )
}  # fmt: skip
"""By name; the first is the one that is shown where none is chosen."""


def written(mistake: Mistake, folder: Path) -> tuple[str, str]:
    """Write the layer with and without the mistake into a folder; return the two targets.

    Raises OSError where the folder cannot be written to.
    """
    wrong, right = (folder / f"{name}.py" for name in (mistake.name.replace("-", "_"), f"{mistake.name.replace('-', '_')}_fixed"))
    write_whole(wrong, mistake.text)
    write_whole(right, mistake.fixed)
    return f"{wrong}:{mistake.layer}", f"{right}:{mistake.layer}"
