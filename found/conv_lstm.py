"""A convolutional LSTM over frames, in two layers; it takes no state."""

from conv_lstm import ConvLSTM
from jaxtyping import Float
from torch import Tensor, nn

PACKAGE = "conv-lstm"
JUDGED = {"ConvLSTM": {"target": "found.conv_lstm:Frames", "dtypes": ["float32", "float64"]}}


class Frames(nn.Module):
    rnncheck_mode = "other"

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layer = ConvLSTM(channels, hidden, (3, 3), num_layers=2)

    def forward(self, x: Float[Tensor, "batch time channels 4 3"]) -> Float[Tensor, "batch time hidden 4 3"]:
        outputs, _ = self.layer(x)
        return outputs[-1]
