"""The numbers of `adc_survey`: medians of ADC energy and area, regressed over the survey.

    python scripts/fit_adc_survey.py survey.csv

survey.csv: B. Murmann, ADC Performance Survey 1997-2025, github.com/bmurmann/ADC-survey, one row
per converter with the columns type, technology_um, sndr_hf_db, power_w, fsnyq_hz and area_mm2.
Needs scipy. Nyquist converters of 3 to 13 effective bits, at 180 nm and below.
"""

from __future__ import annotations

import csv
import sys

import numpy as np
from scipy.optimize import linprog, minimize


def read(path: str) -> np.ndarray:
    """(converters, 5): effective bits, nm, samples/s, pJ per sample, mm2 (NaN if not given)."""
    rows = []
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                bits = (float(row["sndr_hf_db"]) - 1.76) / 6.02
                node, rate = float(row["technology_um"]) * 1e3, float(row["fsnyq_hz"])
                energy = float(row["power_w"]) / rate * 1e12
            except ValueError:
                continue
            if row["type"] == "NQ" and node <= 180 and 3 <= bits <= 13:
                rows.append((bits, node, rate, energy, float(row["area_mm2"] or "nan")))
    return np.array(rows)


def energy_fit(data: np.ndarray) -> np.ndarray:
    """Two planes in logarithms, the larger of which is the median: (floor, b; 1, b, node, rate)."""
    bits, node, rate, energy, _ = data.T
    finer, faster = np.log10(node / 32), np.log10(rate / 1e9)

    def miss(p: np.ndarray) -> float:
        fast = p[2] + p[3] * bits + p[4] * finer + p[5] * faster
        return float(np.abs(np.log10(energy) - np.maximum(p[0] + p[1] * bits, fast)).mean())

    best = None
    for seed in range(16):
        start = np.array([-1, 0.3, 0, 0.4, 1, 0.5])
        start = start + np.random.default_rng(seed).normal(0, 0.3, 6)
        for _ in range(4):
            found = minimize(miss, start, method="Nelder-Mead", options={"maxiter": 6000})
            start = found.x
        best = found if best is None or found.fun < best.fun else best
    assert best is not None
    return np.asarray(best.x)


def area_fit(data: np.ndarray) -> np.ndarray:
    """Median regression of log area: (1, b, node, rate)."""
    bits, node, rate, _, area = data[data[:, 4] > 0].T
    planes = np.c_[np.ones(len(bits)), bits, np.log10(node / 32), np.log10(rate / 1e9)]
    count = len(area)
    found = linprog(
        np.r_[np.zeros(4), np.ones(2 * count)],
        A_eq=np.c_[planes, np.eye(count), -np.eye(count)],
        b_eq=np.log10(area),
        bounds=[(None, None)] * 4 + [(0, None)] * 2 * count,
    )
    return np.asarray(found.x[:4])


if __name__ == "__main__":
    table = read(sys.argv[1])
    print(f"{len(table)} converters")
    print("energy", np.round(energy_fit(table), 4))
    print("area", np.round(area_fit(table), 4))
