"""Reports in a real browser: no errors, no request, and what can be clicked works by keyboard too.

Needs playwright and a Chromium (`apt install chromium`, or `playwright install chromium`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_inputs import METHODS, all_pages

KINDS = ("run", "sweep", "comparison", "reproduction")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    with api.sync_playwright() as driver:
        try:
            opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except api.Error as fault:
            pytest.skip(f"no Chromium starts here: {str(fault).splitlines()[0]}")
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for kind, text in all_pages(folder).items():
        found[kind] = folder / f"{kind}.html"
        found[kind].write_text(text, encoding="utf-8")
    return found


class Visit:
    """A page that was opened, with all that went wrong on it."""

    def __init__(self, browser: Any, file: Path, **options: Any):
        self.page = browser.new_page(**options)
        self.faults: list[str] = []
        self.page.on("console", lambda m: self.faults.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.requests: list[str] = []
        self.page.goto(file.as_uri())

    def column(self, table: str, number: int) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all(
            f"#{table} tbody tr:not([hidden]) td:nth-child({number})",
            "cells => cells.map(cell => cell.textContent)",
        )
        return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_every_page_is_clean(browser: Any, files: dict[str, Path], kind: str, look: str) -> None:
    options: dict[str, Any] = {
        "light": {},
        "dark": {"color_scheme": "dark"},
        "phone": {"viewport": {"width": 360, "height": 740}},
    }[look]
    visit = Visit(browser, files[kind], **options)
    assert visit.page.evaluate("document.documentElement.dataset.ready") == "yes"
    assert visit.faults == []
    assert visit.requests == [files[kind].as_uri()]
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    back = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(15, 19, 24)") == (look == "dark")
    visit.page.emulate_media(media="print")
    assert visit.page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    visit.page.close()


def test_tables_sort_and_filter(browser: Any, files: dict[str, Path]) -> None:
    visit = Visit(browser, files["run"])
    names = visit.column("layer-table", 1)
    heading = visit.page.locator("#layer-table th button", has_text="energy")
    heading.focus()
    visit.page.keyboard.press("Enter")
    up = visit.column("layer-table", 1)
    assert heading.locator("..").get_attribute("aria-sort") == "ascending"
    visit.page.keyboard.press("Enter")
    assert heading.locator("..").get_attribute("aria-sort") == "descending"
    assert sorted(up) == sorted(names)
    joules = visit.page.eval_on_selector_all(
        "#layer-table td[data-v]:nth-child(9)", "cells => cells.map(c => Number(c.dataset.v))"
    )
    assert joules == sorted(joules, reverse=True)
    assert len(set(joules)) > 3
    visit.page.fill('input[data-filters="layer-table"]', names[1])
    assert names[1] in visit.column("layer-table", 1)
    assert len(visit.column("layer-table", 1)) < len(names)
    assert "shown" in str(visit.page.text_content("#layer-table-count"))
    assert visit.faults == []


def test_the_timeline_zooms_and_the_floor_plan_switches(
    browser: Any, files: dict[str, Path]
) -> None:
    visit = Visit(browser, files["run"])
    width = "document.querySelector('#timeline g rect').getAttribute('width')"
    before = float(visit.page.evaluate(width))
    visit.page.focus("#timeline")
    visit.page.keyboard.press("+")
    assert float(visit.page.evaluate(width)) == pytest.approx(2 * before)
    visit.page.keyboard.press("0")
    assert float(visit.page.evaluate(width)) == pytest.approx(before)
    visit.page.click("button[data-zoom=in]")
    assert float(visit.page.evaluate(width)) == pytest.approx(2 * before)
    visit.page.locator("#timeline g rect").first.dispatch_event("pointermove")
    assert "Waited for" in str(visit.page.text_content("#tip"))
    visit.page.check("input[name=floor][value=busiest]")
    assert visit.page.get_attribute(".floor", "data-show") == "busiest"
    visit.page.focus(".floor .tile[tabindex='0']")
    first = visit.page.text_content("#tip")
    visit.page.keyboard.press("ArrowRight")
    assert visit.page.text_content("#tip") != first
    assert "Busiest unit" in str(visit.page.text_content("#tip"))
    assert visit.faults == []


def test_the_slider_orders_the_methods(browser: Any, files: dict[str, Path]) -> None:
    visit = Visit(browser, files["comparison"])
    for power, count in ((0, 1), (2.5, 316), (4, 10_000)):
        visit.page.fill("#per-task", str(power))
        assert visit.page.text_content("#per-task-shown") == f"{count:,}"
        expected = sorted(METHODS, key=lambda m: METHODS[m][0] + METHODS[m][1] / count)
        assert [name.removesuffix(" on chip") for name in visit.column("at-slider", 1)] == expected
    visit.page.focus("#per-task")
    visit.page.keyboard.press("ArrowRight")
    assert visit.page.text_content("#per-task-shown") == "10,233"
    assert visit.faults == []


def test_the_front_follows_axes_and_ranges(browser: Any, files: dict[str, Path]) -> None:
    visit = Visit(browser, files["sweep"])
    count = str(visit.page.text_content("#scatter-count"))
    assert count.startswith("11 of 11 points")
    visit.page.select_option("#pick-x", "tops_per_w")
    # latency = 1e-3 bits / rate falls as tops/W = rate / bits rises: one point beats all others
    visit.page.select_option("#pick-y", "latency_s")
    assert str(visit.page.text_content("#scatter-count")).endswith("1 on the front")
    visit.page.check("#pick-log")
    visit.page.select_option("#range-name", "tile.pe.adc.resolution")
    visit.page.fill("#range-high", "4")
    assert str(visit.page.text_content("#scatter-count")).startswith("4 of 11 points")
    visit.page.focus("#scatter .best")
    assert "Point" in str(visit.page.text_content("#tip"))
    visit.page.click("#range-clear")
    assert str(visit.page.text_content("#scatter-count")).startswith("11 of 11")
    grip = visit.page.locator("#parallel rect").first
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    visit.page.mouse.move(box["x"] + 10, box["y"] + 5)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + 10, box["y"] + box["height"] / 3)
    visit.page.mouse.up()
    kept = int(str(visit.page.text_content("#scatter-count")).split()[0])
    assert 0 < kept < 11
    assert visit.faults == []
