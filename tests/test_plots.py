"""Figures for papers: column widths, embedded TrueType fonts, the same bytes every time."""

from __future__ import annotations

import re
import struct
import sys
import zlib
from pathlib import Path

import pytest
from report_inputs import TEACHING, comparison, mesh_result, saved, sweep_rows
from test_cli_support import Shell, shell

from archsim.errors import InputError
from archsim.plots import sweep_figures
from archsim.plots.draw import KINDS, draw
from archsim.plots.style import COLOURS, DPI, WIDTHS, image, styled

__all__ = ["shell"]
pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def pdf_text(path: Path) -> bytes:
    """A PDF with its compressed streams unpacked."""
    data = path.read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL)
    unpacked = []
    for stream in streams:
        try:
            unpacked.append(zlib.decompress(stream))
        except zlib.error:
            unpacked.append(stream)
    return data + b"".join(unpacked)


@pytest.mark.parametrize("width", ["single", "double"])
@pytest.mark.parametrize("kind", [kind for kind, of in KINDS.items() if of == "run"])
def test_pdf_has_the_columns_width_and_type_42_fonts(kind: str, width: str, tmp_path: Path) -> None:
    folder = saved(tmp_path / "run", "result.json", mesh_result())
    draw(folder, tmp_path / "figure.pdf", kind, width=width)
    text = pdf_text(tmp_path / "figure.pdf")
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", text)
    assert box is not None
    assert float(box.group(1)) == pytest.approx(72 * WIDTHS[width])
    assert b"/FontFile2" in text  # TrueType, embedded
    assert b"/CIDFontType2" in text
    assert b"/Type3" not in text


def test_png_has_600_dots_per_inch(tmp_path: Path) -> None:
    folder = saved(tmp_path / "c", "comparison.json", comparison())
    draw(folder, tmp_path / "figure.png", "amortised", style="plain")
    data = (tmp_path / "figure.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", data[16:20])[0] == round(DPI * WIDTHS["single"])


@pytest.mark.parametrize("ending", [".pdf", ".png"])
def test_the_same_figure_twice_gives_the_same_bytes(ending: str, tmp_path: Path) -> None:
    folder = saved(tmp_path / "run", "result.json", mesh_result())
    for name in ("one", "two"):
        draw(folder, tmp_path / f"{name}{ending}", "energy")
    assert (tmp_path / f"one{ending}").read_bytes() == (tmp_path / f"two{ending}").read_bytes()


def test_the_pareto_figure_joins_the_front() -> None:
    with styled("ieee", "single") as width:
        figure = sweep_figures.pareto(sweep_rows(), ["latency_s", "max:tops_per_w"], width)
        axes = figure.axes[0]
        (line,) = axes.get_lines()
        # both want a high rate and few bits: point 3 (2 GS/s, 4 bits) beats all others
        assert line.get_xdata().tolist() == [1e-3 / 2 * 4]
        assert line.get_ydata().tolist() == [2 / 4]
        assert len(axes.collections[0].get_offsets()) == 11
        assert image(figure, ".svg").startswith(b"<?xml")


def test_the_amortised_figure_is_the_formula() -> None:
    with styled("plain", "double") as width:
        lines = sweep_figures.amortised(comparison(), width).axes[0].get_lines()
        assert [line.get_color() for line in lines] == list(COLOURS[: len(lines)])
        for line, row in zip(lines, comparison().rows, strict=True):
            for n, joules in zip(line.get_xdata()[::20], line.get_ydata()[::20], strict=True):
                expected = row.inference_energy_j + row.switch_energy_j / n
                assert joules == pytest.approx(expected)


def test_other_settings_of_matplotlib_stay(tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw(saved(tmp_path / "run", "result.json", mesh_result()), tmp_path / "x.pdf", "layers")
    assert dict(matplotlib.rcParams) == before


def test_the_command(shell: Shell) -> None:
    assert shell("run", *TEACHING, "--out", shell.out).status == 0
    figure = shell.folder / "fig.pdf"
    assert shell("plot", shell.out, "--kind", "timeline", "-o", figure) == (0, "", "")
    assert figure.read_bytes().startswith(b"%PDF")


def test_bad_figures(shell: Shell) -> None:
    folder = saved(shell.folder / "c", "comparison.json", comparison())
    where = shell.folder / "x.pdf"
    for arguments, words in (
        ((folder, "--kind", "energy", "-o", where), "is of a run; this is a comparison."),
        ((folder, "--kind", "amortised", "-o", shell.folder / "x.gif"), "the ending '.gif'"),
        (
            (folder, "--kind", "amortised", "-o", shell.folder / "no" / "x.pdf"),
            "there is no folder",
        ),
        ((shell.folder, "--kind", "energy", "-o", where), "holds no result"),
    ):
        assert words in shell.refused("plot", *arguments)
    with pytest.raises(InputError, match="a Pareto figure has two objectives, not 1"):
        sweep_figures.pareto(sweep_rows(), ["energy_j"], 3.5)
    with pytest.raises(InputError, match="Did you mean 'energy_j'"):
        sweep_figures.pareto(sweep_rows(), ["energy", "latency_s"], 3.5)


def test_a_missing_matplotlib_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with (
        pytest.raises(InputError, match="needs the package 'matplotlib'") as missing,
        styled("ieee", "single"),
    ):
        pass
    assert "pip install matplotlib" in str(missing.value)
