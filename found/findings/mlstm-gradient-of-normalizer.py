import torch
from mlstm_kernels.torch.chunkwise.native import mlstm_chunkwise__native_autograd as autograd
from mlstm_kernels.torch.chunkwise.native import mlstm_chunkwise__native_custbw as own_backward

x, gate = torch.ones(1, 1, 2, 1), torch.zeros(1, 1, 2)
c, m, gradients = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1), []
for form in (autograd, own_backward):
    n = torch.ones(1, 1, 1, requires_grad=True)
    form(x, x, x, gate, gate, c, n, m, chunk_size=2).sum().backward()
    gradients.append(n.grad.item())
assert abs(gradients[0] - gradients[1]) < 1e-4, f"the gradient of n_initial is {gradients[1]}, but autograd's is {gradients[0]:.4f}"
