import torch
from minGRU_pytorch import minGRU

layer, x = minGRU(2), torch.randn(1, 3, 2)
h = torch.zeros(1, 1, 2, requires_grad=True)  # the state that None stands for
layer(x[:, :1], h).sum().backward()
assert h.grad.isfinite().all()
h.grad = None
layer(x, h).sum().backward()
assert h.grad.isfinite().all(), f"one step has a gradient, three have {h.grad.tolist()}"
