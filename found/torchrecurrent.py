"""Layers of many papers behind torch's call, read by experiment."""

PACKAGE = "torchrecurrent"
LAYERS = ("AntisymmetricRNN", "CFN", "coRNN", "FastGRNN", "IndRNN", "LEM", "LiGRU", "MGU", "PeepholeLSTM", "SCRN", "STAR", "UGRNN")
JUDGED = {name: {"target": f"torchrecurrent:{name}"} for name in LAYERS}
