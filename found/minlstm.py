"""minLSTM, in which one step is computed by itself and several at once in log space, with the arguments of minGRU."""

PACKAGE = "minGRU-pytorch"
JUDGED = {"minLSTM": {"target": "minGRU_pytorch.minLSTM:minLSTM", "typed": "found.mingru:stub", "budget": 240}}
