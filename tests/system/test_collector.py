"""Much is imported quietly, while the garbage collector waits, and only then."""

import gc
import sys
import warnings

import pytest

from rnncheck.backend import compilers
from rnncheck.system.collector import uncollected


def test_the_collector_waits_while_the_compilers_are_imported(monkeypatch):
    seen = []
    monkeypatch.setattr(compilers, "import_module", lambda name: seen.append((name, gc.isenabled())))
    compilers.import_compilers(("one", "other"))
    assert seen == [("one", False), ("other", False)] and gc.isenabled()


def test_what_an_import_warns_of_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "warns_when_imported.py").write_text("import warnings\nwarnings.warn('old', DeprecationWarning)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compilers.import_compilers(("warns_when_imported",))
    assert sys.modules.pop("warns_when_imported")


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
