import torch
from opacus.layers import DPLSTM

x = torch.zeros(4, 3, 2).double()
_, (h_n, _) = DPLSTM(2, 5).double()(torch.nn.utils.rnn.pack_padded_sequence(x, [4, 2, 1]))
assert h_n.dtype == torch.float64, f"the final state of packed float64 sequences is {h_n.dtype}"
