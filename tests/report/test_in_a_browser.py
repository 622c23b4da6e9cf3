"""The page in a real browser: on a telephone nothing leaves the window, and nothing is asked of a network."""

import pytest

from mscale_uq.report.page import render

WIDER = """() => [...document.querySelectorAll("body *")].filter(
    (one) => one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.tagName)"""


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_leaves_the_window_and_nothing_is_fetched(browser, line_run, tmp_path, width):
    (tmp_path / "report.html").write_text(render(line_run))
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "report.html").as_uri())
    assert page.evaluate(WIDER) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("figure svg").count() >= 8
    assert [url for url in asked if not url.startswith("file:")] == []
    assert said == []
    page.close()
