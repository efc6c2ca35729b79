"""The HTML page in a real browser: no error, the filters and the copy button work, nothing hostile runs or breaks the layout."""

import shutil

import pytest

from rnncheck.report.html import html
from tests.report.built import HOSTILE, everything

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, or a skip that says what is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the page was not opened")
    if CHROMIUM is None:
        pytest.skip("no chromium is installed: the page was not opened")
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser, tmp_path):
    """The page of a hostile report; complaints of the browser and dialogs are collected in ``page.complaints``."""
    file = tmp_path / "report.html"
    file.write_text(html(everything("a" * 300 + HOSTILE)), encoding="utf-8")
    context = browser.new_context(viewport={"width": 380, "height": 800}, permissions=["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    opened.complaints = []
    opened.on("console", lambda message: opened.complaints.append(message.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("dialog", lambda dialog: (opened.complaints.append(dialog.message), dialog.dismiss()))
    opened.goto(file.as_uri())
    yield opened
    context.close()


def rows(page) -> list[str]:
    return page.locator("tr[data-verdict]:visible td.name").all_inner_texts()


def test_the_page_opens_quietly_and_fits_a_narrow_window(page):
    assert len(rows(page)) == 9
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_filters(page):
    page.select_option("#verdict", "fails")
    assert rows(page) == ["time.causal"]
    assert page.locator("article:visible").count() == 1
    page.select_option("#verdict", "")
    page.select_option("#family", "life")
    assert rows(page) == ["life.copy", "life.pickle"]
    page.fill("#text", "PICKLE")
    assert rows(page) == ["life.pickle"]
    assert page.inner_text("#shown") == "1 of 9"
    assert page.complaints == []


def test_copy(page):
    page.locator("article button.copy").first.click()
    page.wait_for_function("document.querySelector('article button.copy').textContent === 'copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("time.causal does not hold for aaa") and "<script>alert(1)</script>" in copied
    assert page.complaints == []


@pytest.mark.parametrize("scheme, dark", [("light", False), ("dark", True)])
def test_light_and_dark(page, scheme, dark):
    page.emulate_media(color_scheme=scheme)
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (red + green + blue < 3 * 64) == dark
