"""The cache family: what each of its properties kills; the planted bugs are judged in tests/typed/test_caches.py."""

from rnncheck.catalog import CATALOG
from tests.typed.caches import MISTAKES

KILLS = {id: mistake.__name__.replace("_", "-") for mistake, id in MISTAKES.items()}


def test_each_property_has_a_mistake():
    assert {id for id in CATALOG if id.startswith("cache.")} == set(KILLS)
