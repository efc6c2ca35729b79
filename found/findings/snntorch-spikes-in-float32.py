import snntorch
import torch

neuron, x = snntorch.Leaky(beta=0.9).bfloat16(), torch.zeros(1, 2, dtype=torch.bfloat16)
spikes, membrane = neuron(x, x)
assert (spikes.dtype, membrane.dtype) == (x.dtype, x.dtype), f"an input in {x.dtype} gives {spikes.dtype} and {membrane.dtype}"
