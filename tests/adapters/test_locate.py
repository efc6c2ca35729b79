"""From words to objects, and one clear line where there is none."""

import pickle
import sys
import textwrap
from unittest.mock import patch

import pytest
import torch

from rnncheck.adapters.targets.locate import described, locate
from rnncheck.errors import UsageError


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a module into an empty current directory; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(name, text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
        return tmp_path / name

    yield write
    for name in [name for name, one in sys.modules.items() if str(getattr(one, "__file__", None)).startswith(str(tmp_path))]:
        del sys.modules[name]


@pytest.mark.parametrize("reference", ["torch.nn.LSTM", "torch.nn:LSTM", "torch.nn.modules.rnn:LSTM"])
def test_importable(reference):
    found = locate(reference)
    assert (found.object, found.name) == (torch.nn.LSTM, reference)
    scope = {}
    exec(f"{found.lines}\nbuild = {found.expression}", scope)
    assert scope["build"] is torch.nn.LSTM


def test_in_a_file_beside_another(write):
    write("sub/helper.py", "size = 7\n")
    write("sub/mine.py", "import helper\n\nclass Inner:\n    value = helper.size\n")
    found = locate("sub/mine.py:Inner.value")
    assert (found.object, found.name) == (7, "sub/mine.py:Inner.value")
    scope = {}
    exec(f"{found.lines}\nbuild = {found.expression}", scope)
    assert scope["build"] == 7


@pytest.mark.parametrize("line", ["from .helper import size", "from kit.helper import size", "from helper_at_the_root import size"])
def test_in_a_file_of_a_package_whose_imports_lead_elsewhere(write, line):
    write("helper_at_the_root.py", "size = 7\n")
    write("lib/kit/__init__.py", "")
    write("lib/kit/helper.py", "size = 7\n")
    write("lib/kit/mine.py", f"{line}\n\nclass Inner:\n    value = size\n")
    with patch.dict(sys.modules):
        found = locate("lib/kit/mine.py:Inner.value")
    assert found.object == 7
    scope = {}
    with patch.dict(sys.modules):
        exec(f"{found.lines}\nbuild = {found.expression}", scope)
    assert scope["build"] == 7


def test_a_file_whose_name_is_no_identifier(write):
    write("my-own.py", "class Layer:\n    depth = 3\n")
    found = locate("my-own.py:Layer.depth")
    scope = {}
    exec(f"{found.lines}\nbuild = {found.expression}", scope)
    assert found.object == scope["build"] == 3


def test_a_file_is_loaded_once_until_it_changes(write):
    write("mine.py", "class Layer:\n    depth = 1\n")
    first = locate("mine.py:Layer")
    assert locate("mine.py:Layer").object is first.object
    write("mine.py", "class Layer:\n    depth = 1000\n")
    assert locate("mine.py:Layer.depth").object == 1000


def test_a_module_of_the_current_directory(write):
    write("beside.py", "value = 5\n")
    assert locate("beside:value").object == locate("beside.value").object == 5


def test_what_is_found_is_found_again_after_pickling(write):
    write("mine.py", "class Layer:\n    pass\n")
    found = locate("mine.py:Layer")
    again = pickle.loads(pickle.dumps(found))
    assert (again.object, again.name, again.lines) == (found.object, found.name, found.lines)


def test_what_a_module_prints_goes_to_stderr(write, capsys):
    write("loud.py", "print('hello')\nvalue = 1\n")
    assert locate("loud.py:value").object == 1
    assert capsys.readouterr() == ("", "hello\n")


COMPLAINTS = {
    "nowhere.py:Layer": "nowhere.py:Layer: there is no file nowhere.py; name one as path/to/file.py:attr",
    "mine.py:Lstm": "mine.py:Lstm: mine.py has no Lstm; did you mean LSTM?",
    "mine.py:LSTM.wieght": "mine.py:LSTM.wieght: mine.py.LSTM has no wieght; did you mean weight?",
    "mine.py": "mine.py: is a module, but should name what is in it, as mine.py:LSTM",
    "no_such_module.LSTM": "no_such_module.LSTM: there is no module no_such_module; should be",
    "no_such_module:LSTM": "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'",
    "what is this": "'what is this' names nothing that can be imported; should be package.module:attr",
    "ends.py:LSTM": "ends.py:LSTM: cannot be imported: it calls sys.exit(3) when imported; put what is run under",
    "broken.py:LSTM": "broken.py:LSTM: cannot be imported: ZeroDivisionError: division by zero (",
    "syntax.py:LSTM": "syntax.py:LSTM: cannot be imported: SyntaxError: ",
    "needs.py:LSTM": "needs.py:LSTM: cannot be imported: ModuleNotFoundError: No module named 'not_installed_here' (",
    "relative.py:LSTM": "it is part of a package: name it as package.module:attr",
    "needs.LSTM": "needs.LSTM: cannot be imported: ModuleNotFoundError: No module named 'not_installed_here' (",
}


@pytest.mark.parametrize("reference", COMPLAINTS)
def test_one_line_says_what_is_wrong(write, reference):
    write("mine.py", "class LSTM:\n    weight = 1\n")
    write("ends.py", "import sys\nsys.exit(3)\n")
    write("broken.py", "1 / 0\n")
    write("syntax.py", "def f(:\n")
    write("needs.py", "import not_installed_here\n")
    write("relative.py", "from . import other\n")
    with pytest.raises(UsageError) as error:
        locate(reference)
    assert COMPLAINTS[reference] in str(error.value)
    assert "\n" not in str(error.value)
    assert not any(name.startswith("_rnncheck_broken") for name in sys.modules)


def test_objects_are_described_by_their_public_name():
    assert described(torch.nn.LSTM).name == "torch.nn.LSTM"
    assert described(torch.nn.utils.clip_grad_norm_).name == "torch.nn.utils.clip_grad_norm_"
    assert described(torch.nn.LSTM).expression == "torch.nn.LSTM"


def test_objects_that_no_script_can_import():
    class Local:
        pass

    assert (described(Local).name, described(Local).lines) == ("Local", None)
    assert (described(Local()).name, described(Local()).lines) == ("Local", None)
