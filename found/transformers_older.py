"""The same mixers in a release before most of them went on from a cached state when they were given several tokens."""

from found.transformers import PACKAGE as PACKAGE

VERSION = "5.8.1"
LAYERS = ("Mamba2", "Zamba2")
JUDGED = {name: {"target": f"found.transformers:{name}", "dtypes": ["float32"], "budget": 150} for name in LAYERS}
