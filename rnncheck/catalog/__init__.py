"""The catalog: what must hold of a recurrent layer, a file a family."""

from fnmatch import fnmatchcase
from importlib import import_module

from rnncheck.core.property import Property

FAMILIES = (
    "shape",
    "reject",
    "state",
    "gate",
    "time",
    "cache",
    "direction",
    "layer",
    "batch",
    "argument",
    "layout",
    "lengths",
    "weights",
    "gradient",
    "graph",
    "agree",
    "mode",
    "life",
    "numeric",
    "clip",
    "step",
    "pair",
)


MORE_OF = (
    "agree_beside", "agree_transformed", "clip_shards", "gradient_differences", "gradient_of_states", "numeric_digits",
    "numeric_range", "reject_dtypes", "state_kept", "time_reset", "weights_built", "weights_changed",
)  # fmt: skip
"""Further files of families whose own file is full."""


def _collect() -> dict[str, Property]:
    for file in MORE_OF:
        import_module(f"rnncheck.catalog.{file}")
    found: dict[str, Property] = {}
    for family in FAMILIES:
        for prop in getattr(import_module(f"rnncheck.catalog.{family}"), family).properties:
            if prop.id in found:
                raise ValueError(f"two properties are called {prop.id}")
            found[prop.id] = prop
    return found


CATALOG: dict[str, Property] = _collect()
"""Every property by its id, in the order of the families; those of the user's own, as they are declared, after them."""


def select(globs: str = "*") -> list[Property]:
    """The properties that any of these comma-separated globs names; raises KeyError on one that names nothing."""
    chosen: list[str] = []
    for glob in filter(None, (part.strip() for part in globs.split(","))):
        matching = [id for id in CATALOG if fnmatchcase(id, glob)]
        if not matching:
            raise KeyError(glob)
        chosen += matching
    return [prop for id, prop in CATALOG.items() if id in chosen]
