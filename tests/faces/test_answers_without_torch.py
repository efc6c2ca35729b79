"""Help and wrong usage are answered without torch, and ``import rnncheck`` offers all that it did when it imported everything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnncheck.bundle.record import CASES
from rnncheck.campaign.store import FOLDER
from rnncheck.core.case import DTYPES
from rnncheck.faces import bundles, gate

ROOT = Path(__file__).parents[2]
WITHOUT = """
import sys
from rnncheck.faces.cli import main
sys.argv = ["rnncheck", *sys.argv[1:]]
try:
    main()
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""


def python(code, *words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )


@pytest.mark.parametrize(("words", "code", "said"), [
    ("--help", 0, ""), ("verify --help", 0, ""), ("diff --help", 0, ""), ("gate --help", 0, ""), ("--version", 0, ""),
    ("verify --budgett 3s", 2, "No such option '--budgett'"),
    ("verify torch.nn.LSTM --seed three", 2, "--seed = 'three', but should be a whole number from 0 to 4294967295, or random"),
    ("verify no/such.py:Layer", 2, "no/such.py:Layer: there is no file no/such.py; name one as path/to/file.py:attr"),
    ("verify torhc.nn.LSTM", 2, "torhc.nn.LSTM: there is no module torhc; should be package.module:attr"),
    ("verify torch.nn.LSTM --against nowhere:LSTM", 2, "nowhere:LSTM: there is no module nowhere; should be"),
    ("verify torch.nn.LSTM --json no/such/folder.json", 2, "there is no folder"),
])  # fmt: skip
def test_answered_without_torch(words, code, said):
    ended = python(WITHOUT, *words.split())
    *told, imported = ended.stderr.strip().splitlines()
    assert (ended.returncode, imported) == (code, "False"), ended.stderr
    assert said.replace("'", '"') in "\n".join(told).replace("'", '"')


def test_the_progress_bar_is_there_before_torch():
    ended = python("import sys\nimport rnncheck.faces.progress\nprint('torch' in sys.modules)")
    assert (ended.stdout, ended.stderr) == ("False\n", "")


def test_at_the_exit_the_collector_has_nothing_to_look_through():
    code = """
import atexit
import gc
import sys
from rnncheck.faces.cli import supervised_main
atexit.register(lambda: print(gc.get_freeze_count() > 1000))
sys.argv = ["rnncheck", "--version"]
supervised_main()
"""
    told = python(code).stdout.splitlines()
    assert told[1:] == ["True", "True"], told  # in the command's own process, and in the one beside it


def test_every_public_name_and_the_documented_modules_are_reached_after_one_import():
    code = """
import pickle
import sys
import rnncheck
assert "torch" not in sys.modules
assert dir(rnncheck) == rnncheck.__all__
assert set(rnncheck._HOMES) == set(rnncheck.__all__)
for name in rnncheck.__all__:
    value = getattr(rnncheck, name)
    assert value.__module__.startswith("rnncheck"), name
    assert pickle.loads(pickle.dumps(value)) is value, name
    assert rnncheck.__dict__[name] is value, name
assert rnncheck.nn.LSTM(2, 3).hidden_size == 3
assert callable(rnncheck.clip.clip_grad_norm_) and rnncheck.cells.__name__ == "rnncheck.cells"
assert rnncheck.catalog.CATALOG and rnncheck.core.case.Case
try:
    rnncheck.verfy
except AttributeError as error:
    print(error)
"""
    ended = python(code)
    assert (ended.stdout, ended.stderr) == ("module 'rnncheck' has no attribute 'verfy'\n", "")


def test_what_is_said_twice_is_the_same():
    assert set(bundles.DTYPES) == set(DTYPES)
    assert bundles.CASES == CASES
    assert gate.FOLDER == FOLDER
