"""The garbage collector waits while much is imported, and only then."""

import gc

import pytest

from rnncheck.backend import compilers
from rnncheck.system.collector import uncollected


def test_the_collector_waits_while_the_compilers_are_imported(monkeypatch):
    seen = []
    monkeypatch.setattr(compilers, "import_module", lambda name: seen.append((name, gc.isenabled())))
    compilers.import_compilers(("one", "other"))
    assert seen == [("one", False), ("other", False)] and gc.isenabled()


def test_the_collector_works_again_after_an_import_that_fails():
    with pytest.raises(ImportError), uncollected():
        raise ImportError("no such module")
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
