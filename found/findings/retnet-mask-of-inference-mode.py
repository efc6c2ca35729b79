import torch
from yet_another_retnet.retention import retention_parallel

x = torch.ones(1, 1, 2, 1)
with torch.inference_mode():
    retention_parallel(x, x, x)
retention_parallel(x.clone().requires_grad_(), x, x)  # training goes on after an evaluation
