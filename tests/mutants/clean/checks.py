"""What a recurrent layer refuses, and with which words: torch.nn's refusals."""

import torch


class Checks:
    """The refusals of mutants.layer.Layer."""

    def check_constructor(self):
        for name in ("input_size", "hidden_size", "num_layers"):
            size = getattr(self, name)
            if not isinstance(size, int):
                raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
            if size <= 0:
                raise ValueError(f"{name} must be greater than zero, got {size}")
        for name in ("bias", "batch_first"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} should be of type bool, got: {type(getattr(self, name)).__name__}")
        number = isinstance(self.dropout, int | float) and not isinstance(self.dropout, bool)
        if not number or not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout should be a number in range [0, 1], got {self.dropout}")
        if not 0 <= self.proj_size < self.hidden_size:
            raise ValueError(f"proj_size should be in [0, hidden_size = {self.hidden_size}), got {self.proj_size}")

    def check_input(self, input):
        if input.dim() not in (2, 3):
            raise ValueError(f"Expected input to be 2D or 3D, got {input.dim()}D instead")
        self.check_features(input)
        if input.shape[1 if self.batch_first and input.dim() == 3 else 0] == 0:
            raise RuntimeError("Expected sequence length to be larger than 0, got 0")

    def check_features(self, input):
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"input.size(-1) should be input_size = {self.input_size}, got {input.shape[-1]}")
        dtype = self.weight("ih", 0, 0).dtype
        if input.dtype != dtype and not torch.is_autocast_enabled(input.device.type):
            raise ValueError(f"input dtype ({input.dtype}) does not match weight dtype ({dtype})")

    def check_state(self, x, state):
        for s, size in zip(state, self.state_sizes(), strict=True):
            expected = (self.num_layers * self.directions, x.shape[1], size)
            if tuple(s.shape) != expected:
                raise RuntimeError(f"Expected hidden size {expected}, got {tuple(s.shape)}")
            if s.device != x.device:
                raise RuntimeError(f"input is on {x.device}, but hx is on {s.device}")
            if s.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
                raise RuntimeError(f"input is {x.dtype}, but hx is {s.dtype}")
