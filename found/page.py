"""The page docs/found.md, from the data of docs/found.json."""

from typing import Any

from found.findings import explains

TOP = """# Found in real packages

`python -m found` judges recurrent layers of other packages as a user would, with the stub or adapter that stands in
[found/](../found), and writes this page; `tox -e found` does so under the versions in
`found/requirements.txt`. A defect stands here after it was checked by hand: its script needs torch and the package alone, and
fails. Clean layers are listed as well: there, rnncheck is to be silent.
"""


def page(data: dict[str, Any]) -> str:
    """Return the page in Markdown."""
    return "\n".join([TOP, *_summary(data), *_table(data), *_defects(data)])


def unexplained(data: dict[str, Any], judged: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the red causes of a judged layer that no finding explains: nobody has checked them by hand."""
    return [red for red in judged["red"] if not any(explains(one, judged, red) for one in data["findings"].values())]


def names_of(data: dict[str, Any], judged: dict[str, Any]) -> list[str]:
    """Return the names of the findings on a judged layer."""
    findings = data["findings"].items()
    return [name for name, one in findings if one["module"] == judged["module"] and judged["name"] in one["judged"]]


def _summary(data: dict[str, Any]) -> list[str]:
    judged, findings = data["judged"], data["findings"].values()
    clean = sum(not one["red"] and not names_of(data, one) for one in judged)
    packages = len({one["package"] for one in judged})
    known = sum(one["upstream"].startswith("http") for one in findings)
    return [
        f"torch {data['torch']}, Python {data['python']}: {len(judged)} layers and functions of {packages} packages, {clean} of them"
        f" clean, and {len(findings)} defects, of which {known} were known upstream.",
        "",
    ]


def _table(data: dict[str, Any]) -> list[str]:
    rows = ["## What was judged", "", "| package | what | how | cases | holds | found |", "|---|---|---|---:|---:|---|"]
    return [*rows, *(_row(data, one) for one in data["judged"]), ""]


def _row(data: dict[str, Any], judged: dict[str, Any]) -> str:
    how = "stub" if judged["typed"] else "read by experiment"
    against = f", against `{judged['against']}`" if judged["against"] else ""
    links = [f"[{name}](#{name})" for name in names_of(data, judged)]
    open_ones = len(unexplained(data, judged))
    told = links + ([f"{open_ones} red, not checked by hand"] if open_ones else [])
    cells = (
        f"{judged['package']} {judged['version']}", f"{judged['name']} (`{judged['target']}`)",
        f"[{how}](../found/{judged['module']}.py){against}",
        str(judged["cases"]), str(len(judged["holds"])), ", ".join(told) or "clean",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _defects(data: dict[str, Any]) -> list[str]:
    lines = ["## The defects", ""]
    for name, one in data["findings"].items():
        properties = ", ".join(f"`{id}`" for id in one["shown_by"])
        lines += [
            f"### {name}", "", one["what"], "", f"- Shown by: {properties or 'the script alone, read off the code'}",
            f"- Upstream: {one['upstream']}", "", "```python", one["script"].strip(), "```", "",
            f"It ends with `{one['ends']}`.", "",
        ]  # fmt: skip
    return lines
