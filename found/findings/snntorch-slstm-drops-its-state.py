import snntorch
import torch

torch.manual_seed(0)
for inputs in (4, 3):
    cell, x = snntorch.SLSTM(inputs, 4), torch.randn(2, inputs)
    moved = [cell(x, torch.full((2, 4), value), torch.full((2, 4), value))[1:] for value in (0.0, 1.0)]
    assert not torch.equal(moved[0][0], moved[1][0]), f"with {inputs} inputs and 4 units, the state that is given has no effect"
