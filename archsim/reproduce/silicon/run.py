"""All fabricated macros, each with constants that were not fitted to it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archsim.reproduce.silicon.figures import FILE, UNITS, FabricatedChip, Name, load_figures
from archsim.reproduce.silicon.measure import macro_chip, measured

SCALES: dict[Name, str] = {
    "clock": "delay_scale",
    "area": "area_scale",
    "efficiency": "energy_scale",
}
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Row:
    """A figure. archsim: ours; fitted: with one constant for the chip, None if it is not tried.

    plain: with the constants as shipped, which for digital macros were fitted to all of them;
    inputs: predicted, or typed where it follows from a measured time in the chip's file; why:
    what keeps it from being counted.
    """

    chip: str
    figure: str
    unit: str
    supply: str
    published: float
    archsim: float
    inputs: Literal["predicted", "fitted", "typed"]
    plain: float
    fitted: float | None = None
    why: str = ""

    @property
    def ratio(self) -> float:
        return self.archsim / self.published

    @property
    def error(self) -> float:
        """The larger of the two over the other, less one."""
        return max(self.ratio, 1 / self.ratio) - 1


@dataclass(frozen=True)
class Summary:
    """Over the rows that are predictions under stated conditions."""

    chips: int
    figures: int
    predicted: int
    median_error: float
    worst_error: float


def run_silicon(path: Path = FILE, progress: Progress | None = None) -> list[Row]:
    """Every published figure with ours; InputError.

    Scales of digital macros are geometric means of published over plain figures of the other
    digital ones (those under stated conditions): a chip's own figures never enter its prediction.
    """
    chips = load_figures(path).chips
    folder = path.parent
    report = progress or (lambda chip, done, total: None)
    plain = {
        name: _at(folder / f"{name}.yaml", chip, None, {})
        for name, chip in chips.items()
        if chip.digital
    }
    rows: list[Row] = []
    for done, (name, chip) in enumerate(chips.items()):
        report(name, done, len(chips))
        file = folder / f"{name}.yaml"
        if chip.digital:
            scales = _others(name, chips, plain)
            rows += _rows(
                name, chip, "", chip.published, _at(file, chip, None, scales), plain[name]
            )
        elif chip.published:
            rows += _analog(name, chip, file)
        rows += _parts(name, chip, file)
    return rows


def summary(rows: list[Row]) -> Summary:
    """Median and worst error of the predictions that are counted."""
    counted = [row for row in rows if row.inputs == "predicted" and not row.why]
    errors = [row.error for row in counted]
    return Summary(
        chips=len({row.chip for row in rows}),
        figures=len(rows),
        predicted=len(counted),
        median_error=statistics.median(errors),
        worst_error=max(errors),
    )


def _at(
    file: Path, chip: FabricatedChip, supply: str | None, scales: Mapping[str, float]
) -> dict[Name, float]:
    return measured(macro_chip(file, supply, scales), tuple(chip.published))


def _others(
    name: str, chips: Mapping[str, FabricatedChip], plain: Mapping[str, dict[Name, float]]
) -> dict[str, float]:
    """Scales fitted to the digital chips but one."""
    scales = {}
    for figure, scale in SCALES.items():
        ratios = [
            chip.published[figure] / plain[other][figure]
            for other, chip in chips.items()
            if chip.digital and other != name and figure not in chip.uncounted
        ]
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        scales[scale] = mean if figure == "area" else 1 / mean
    return scales


def _analog(name: str, chip: FabricatedChip, file: Path) -> list[Row]:
    """Without a fitted constant, and what one constant for the chip's first point makes of all."""
    first = _at(file, chip, None, {})
    rows = _rows(name, chip, "", chip.published, first, first)
    for point in chip.points:
        ours = _at(file, chip, point.supply, {})
        rows += _rows(name, chip, point.supply, point.published, ours, ours, first)
    return rows


def _parts(name: str, chip: FabricatedChip, file: Path) -> list[Row]:
    """Power and area of components."""
    if not chip.parts:
        return []
    known = macro_chip(file, None, {}).parts()
    rows = []
    for path, published in chip.parts.items():
        part = known[path][0]
        number = chip.instances.get(path, part.count)
        ours = {"power": 1e3 * part.power * number, "area": part.area * number}
        for figure, value in published.items():
            label, unit = f"{path} {figure}", "mW" if figure == "power" else "mm2"
            predicted: Literal["predicted"] = "predicted"
            rows.append(Row(name, label, unit, "", value, ours[figure], predicted, ours[figure]))
    return rows


def _rows(
    name: str,
    chip: FabricatedChip,
    supply: str,
    published: Mapping[Name, float],
    ours: Mapping[Name, float],
    plain: Mapping[Name, float],
    first: Mapping[Name, float] | None = None,
) -> list[Row]:
    """first: ours at the first point, from which one constant per figure is fitted."""
    return [
        Row(
            chip=name,
            figure=figure,
            unit=UNITS[figure],
            supply=supply,
            published=value,
            archsim=ours[figure],
            inputs="typed" if figure in chip.typed and not supply else "predicted",
            plain=plain[figure],
            fitted=ours[figure] * chip.published[figure] / first[figure] if first else None,
            why=chip.uncounted.get(figure, ""),
        )
        for figure, value in published.items()
    ]
