"""Layers of many papers behind torch's call, read by experiment."""

PACKAGE = "torchrecurrent"
LAYERS = ("LEM", "UGRNN", "coRNN", "tauGRU")
JUDGED = {name: {"target": f"torchrecurrent:{name}"} for name in LAYERS}
