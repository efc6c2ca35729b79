"""The page docs/found.md, from the data of docs/found.json."""

from textwrap import fill, shorten
from typing import Any

from found.findings import explains

TOP = """# Found in real packages

`python -m found` judges recurrent layers of other packages as a user would, with the stub or adapter that stands in
[found/](../found), and writes this page; `tox -e found` does so under the versions in `found/requirements.txt`, and
`tox -e found-older` for a release that has a defect which a later one fixes. A defect stands here after it was checked by hand:
its script needs torch and the package alone, and fails. Clean layers are listed as well: there, rnncheck must be silent.
"""

WIDTH = 130
"""Columns of a line that is no row of a table."""


def page(data: dict[str, Any]) -> str:
    """Return the page in Markdown."""
    return "\n".join([TOP, *_summary(data), *_table(data), *_defects(data)])


def unexplained(data: dict[str, Any], judged: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the red causes of a judged layer that no finding explains: nobody has checked them by hand."""
    return [red for red in judged["red"] if not any(explains(one, judged, red) for one in data["findings"].values())]


def names_of(data: dict[str, Any], judged: dict[str, Any], defect: bool = True) -> list[str]:
    """Return the names of the defects, or of the others, of a judged layer."""
    return [
        name for name, one in data["findings"].items()
        if one["module"] == judged["module"] and judged["name"] in one["judged"] and one["defect"] is defect
    ]  # fmt: skip


def seen(data: dict[str, Any], one: dict[str, Any]) -> list[str]:
    """Return the properties that were red where this was judged, of those that it explains."""
    judged = [other for other in data["judged"] if other["module"] == one["module"] and other["name"] in one["judged"]]
    red = {id for other in judged for cause in other["red"] for id in (cause["property"], *cause["also"])}
    return [id for id in one["shown_by"] if id in red]


def is_clean(data: dict[str, Any], judged: dict[str, Any]) -> bool:
    """Return whether properties hold, and neither they nor a reader of the code found a defect."""
    return bool(judged["holds"]) and not unexplained(data, judged) and not names_of(data, judged)


def _summary(data: dict[str, Any]) -> list[str]:
    judged, defects = data["judged"], [one for one in data["findings"].values() if one["defect"]]
    packages = len({one["package"] for one in judged})
    known = sum(one["upstream"].startswith("http") for one in defects)
    unseen = sum(not seen(data, one) for one in defects)
    clean = sum(is_clean(data, one) for one in judged)
    return [
        f"torch {data['torch']}, Python {data['python']}: {len(judged)} layers and functions of {packages} packages,",
        f"{clean} of them clean, and {len(defects)} defects. {known} are known upstream. {unseen} were read off the code",
        "and are shown by a script alone: no property saw them in the cases that there was time for.",
        "",
    ]  # fmt: skip


def _table(data: dict[str, Any]) -> list[str]:
    rows = ["## What was judged", "", "| package | what | how | cases | holds | found |", "|---|---|---|---:|---:|---|"]
    return [*rows, *(_row(data, one) for one in data["judged"]), ""]


def _row(data: dict[str, Any], judged: dict[str, Any]) -> str:
    how = "stub" if judged["typed"] else "types" if ": sequences" in (judged["reading"] or "") else "experiment"
    against = f", against `{judged['against']}`" if judged["against"] else ""
    cells = (
        f"{judged['package']} {judged['version']}", f"{judged['name']} (`{judged['target']}`)",
        f"[{how}](../found/{judged['module']}.py){against}", str(judged["cases"]), str(len(judged["holds"])), _told(data, judged),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _told(data: dict[str, Any], judged: dict[str, Any]) -> str:
    """Return what was found, in a cell of the table."""
    links = [f"[{name}](#{name})" for name in names_of(data, judged)]
    others = [f"([{name}](#red-and-no-defect))" for name in names_of(data, judged, defect=False)]
    unchecked = len(unexplained(data, judged))
    found = [*links, *others, *([f"{unchecked} red, not checked by hand"] if unchecked else [])]
    if is_clean(data, judged):
        found = ["clean", *others]
    return ", ".join(found or ["nothing was reached in the time"])


def _defects(data: dict[str, Any]) -> list[str]:
    lines, others = ["## The defects", ""], ["## Red, and no defect", ""]
    for name, one in data["findings"].items():
        if one["defect"]:
            lines += _defect(data, name, one)
        else:
            shown = ", ".join(f"`{id}`" for id in seen(data, one)) or "a warning, or not in these cases"
            text = f"- **{name}** ({shown}): {one['what']}"
            others.append(fill(text, WIDTH, subsequent_indent="  "))
    return [*lines, *others, ""]


def _defect(data: dict[str, Any], name: str, one: dict[str, Any]) -> list[str]:
    shown = (
        ", ".join(f"`{id}`" for id in seen(data, one)) or "the script alone; it was read off the code, or the cases were too few"
    )
    return [
        f"### {name}", "", fill(one["what"], WIDTH), "", f"- Shown by: {shown}", f"- Upstream: {one['upstream']}", "",
        "```python", one["script"].strip(), "```", "", f"It ends with `{shorten(str(one['ends']), WIDTH - 20)}`.", "",
    ]  # fmt: skip
