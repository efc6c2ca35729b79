"""The HTML page in a real browser: no error, the filters and the copy button work, nothing hostile runs or breaks the layout."""

import shutil

import pytest

from rnncheck.report.html import html
from tests.report.built import HOSTILE, everything

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, or a skip that says what is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the page was not opened")
    if CHROMIUM is None:
        pytest.skip("no chromium is installed: the page was not opened")
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser, tmp_path):
    """The page of a hostile report; complaints of the browser and dialogs are collected in ``page.complaints``."""
    file = tmp_path / "report.html"
    file.write_text(html(everything(HOSTILE + "a" * 5000)), encoding="utf-8")
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
    assert page.locator(".failure:visible").count() == 1
    page.select_option("#verdict", "")
    page.select_option("#family", "life")
    assert rows(page) == ["life.copy", "life.pickle"]
    page.fill("#text", "PICKLE")
    assert rows(page) == ["life.pickle"]
    assert page.inner_text("#shown") == "1 of 9"
    assert page.complaints == []


def test_the_tiles_choose_a_verdict(page):
    page.click("button[data-choose=hung]")
    assert rows(page) == ["life.pickle"] and page.input_value("#verdict") == "hung"
    page.click("button[data-choose=hung]")
    assert page.inner_text("#shown") == "9 of 9"


def test_a_search_that_finds_nothing_hides_all(page):
    page.fill("#text", "no such thing")
    assert page.inner_text("#shown") == "0 of 9"
    assert page.locator("section:visible").count() == 0


def test_the_overview_names_what_is_pointed_at_and_leads_there(page):
    path = page.locator("#glance path.hung")
    path.hover()
    assert page.inner_text("#pointed").endswith(": life.pickle hung")
    path.click()
    assert page.locator(".follows[data-id='life.pickle']").get_attribute("open") is not None
    assert page.complaints == []


def test_plots_are_drawn(page):
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    for shape in ("#glance path.fails", ".map path.all", ".map path.some", ".bars", ".course .area", ".course .over"):
        box = page.locator(shape).first.bounding_box()
        assert box is not None and box["width"] > 3 and box["height"] > 0, shape
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    assert page.complaints == []


def test_copy(page):
    page.locator(".failure button.copy").first.click()
    page.wait_for_function("document.querySelector('.failure button.copy').textContent === 'copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("time.causal does not hold for mine.py:<script>alert(1)</script>")
    assert page.complaints == []


@pytest.mark.parametrize("scheme, dark", [("light", False), ("dark", True)])
def test_light_and_dark(page, scheme, dark):
    page.emulate_media(color_scheme=scheme)
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (red + green + blue < 3 * 64) == dark
