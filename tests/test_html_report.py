"""HTML reports: self-contained, safe with hostile names, the right page for each kind of result."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from report_inputs import (
    HOSTILE,
    METHODS,
    TEACHING,
    all_pages,
    comparison,
    mesh_result,
    saved,
    sweep_rows,
)
from test_cli_support import Shell, shell

from archsim.html.comparison_page import cheapest
from archsim.html.report_page import report_page
from archsim.html.run_page import run_page
from archsim.html.sweep_page import sweep_page
from archsim.report.results import load_results

__all__ = ["shell"]
VOID = {"meta", "link", "input", "br", "img"}


class Page(HTMLParser):
    """Checks that tags close in order, and collects ids, tags and what could be loaded."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(str(value))
            if key in ("src", "href") and not str(value).startswith(("#", "data:")):
                self.loads.append(str(value))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def data_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    payload = json.loads(found.group(1))
    assert isinstance(payload, dict)
    return payload


def test_pages_are_whole_and_load_nothing(tmp_path: Path) -> None:
    for kind, text in all_pages(tmp_path).items():
        page = Page(text)
        assert page.open == [], kind
        assert page.loads == [], kind
        assert len(page.ids) == len(set(page.ids)), kind
        assert "default-src 'none'" in text
        assert "url(" not in text.replace("url(#plot)", "")
        assert len(text) < 300_000


def test_the_page_of_a_run_shows_the_run() -> None:
    result = mesh_result()
    text = run_page(result)
    for layer in result.layers:
        assert f"<td>{layer.name}</td>" in text
    for path in result.energy_parts_j:
        assert path.removeprefix("chip.") in text
    assert text.count('class="tile"') == len(result.floor.chip)
    shown = data_of(text)["layers"]
    assert isinstance(shown, list)
    assert {row["name"] for row in shown if row["critical"]} == {
        step.name for step in result.critical_path
    }
    assert result.inputs.arch_sha256 in text


def test_an_older_run_without_path_and_floor_still_has_a_page() -> None:
    older = mesh_result().model_dump()
    del older["floor"], older["critical_path"]
    text = run_page(type(mesh_result()).model_validate(older))
    assert "no critical path" in text
    assert "no floor plan" in text


def test_names_from_inputs_cannot_become_markup() -> None:
    result = mesh_result()
    first = result.layers[0].model_copy(update={"name": HOSTILE, "waited_for": HOSTILE})
    inputs = result.inputs.model_copy(update={"arch_name": HOSTILE, "trace": HOSTILE})
    hostile = result.model_copy(
        update={
            "layers": [first, *result.layers[1:]],
            "inputs": inputs,
            "value_statistics": HOSTILE,
        }
    )
    rows = [{**row, "kind": HOSTILE + str(i), HOSTILE: i} for i, row in enumerate(sweep_rows())]
    for text, plain in (
        (run_page(hostile), run_page(result)),
        (sweep_page(HOSTILE, rows), sweep_page("adc", sweep_rows())),
    ):
        page = Page(text)
        assert page.open == []
        assert "img" not in page.tags
        assert page.tags.count("script") == Page(plain).tags.count("script")


def test_who_is_cheapest_from_how_many_inferences_on() -> None:
    # branch 2 + 1/n, middle 1.5 + 50/n, full 1 + 1000/n: equal at n = 49/0.5 and 950/0.5
    found = [(round(n, 9), row.method) for n, row in cheapest(comparison().rows)]
    assert found == [(1, "branch"), (98, "middle"), (1900, "full")]
    for n in (1, 97, 99, 1899, 1901, 10**6):
        best = min(METHODS, key=lambda m: METHODS[m][0] + METHODS[m][1] / n)
        assert best == [method for start, method in found if start <= n][-1]


def test_a_sweep_of_points_without_results() -> None:
    rows = [{**row, "status": "invalid", "reason": "no"} for row in sweep_rows()]
    page = Page(sweep_page("adc", rows))
    assert page.open == []
    assert "others-table" in page.ids
    assert "scatter" not in page.ids


def test_settings_with_units_become_numbers() -> None:
    columns = data_of(sweep_page("adc", sweep_rows()))["columns"]
    assert isinstance(columns, list)
    by_name = {column["name"]: column for column in columns}
    assert by_name["tile.pe.adc.rate"]["values"][:4] == [0.25, 0.5, 1.0, 2.0]
    assert by_name["tile.pe.adc.rate"]["unit"] == "GS/s"
    assert by_name["kind"]["labels"] == ["b", "a"]
    assert "digest" not in by_name
    assert by_name["tops_per_w"]["more"]
    assert not by_name["energy_j"]["more"]


def test_the_command_writes_a_page_for_each_kind(shell: Shell) -> None:
    assert shell("run", *TEACHING, "--out", shell.out).status == 0
    page = shell.folder / "run.html"
    assert shell("report", shell.out, "-o", page) == (0, "", "")
    assert "teaching on Teaching chip" in page.read_text(encoding="utf-8")
    folder = saved(shell.folder / "c", "comparison.json", comparison())
    for place in (folder, folder / "comparison.json"):
        assert shell("report", place, "-o", page).status == 0
        assert "Comparison: four" in page.read_text(encoding="utf-8")


def test_bad_results_and_places(shell: Shell) -> None:
    empty = shell.folder / "empty"
    empty.mkdir()
    page = shell.folder / "x.html"
    assert (
        "the folder holds no result. A run (result.json) comes from `archsim run"
        in shell.refused("report", empty, "-o", page)
    )
    assert "there is no such file or folder" in shell.refused("report", "nothing", "-o", page)
    good = saved(shell.folder / "c", "comparison.json", comparison())
    assert "there is no folder" in shell.refused("report", good, "-o", empty / "no" / "x.html")
    assert "the ending '.pdf' is not known here" in shell.refused("report", good, "-o", "x.pdf")
    assert "this is a directory" in shell.refused(
        "report", good, "-o", made(shell.folder / "d.html")
    )
    assert "it has none of the keys" in shell.refused("report", other(shell), "-o", page)
    for key, file in (
        ("archsim_result", "result.json"),
        ("archsim_comparison_result", "comparison.json"),
    ):
        newer = saved(shell.folder / key, file, {key: 99})
        assert "was made by a newer archsim" in shell.refused("report", newer, "-o", page)
    content = {"archsim_comparison_result": 1, "rows": []}
    damaged = saved(shell.folder / "bad", "comparison.json", content)
    assert "comparison.json" in shell.refused("report", damaged, "-o", page)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def other(shell: Shell) -> str:
    return shell.file("other.json", '{"a": 1}')


def test_kinds(tmp_path: Path) -> None:
    folder = saved(tmp_path / "r", "result.json", mesh_result())
    assert load_results(folder).kind == "run"
    assert load_results(folder / "result.json").kind == "run"
    assert report_page(folder) == report_page(folder / "result.json")
