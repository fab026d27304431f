"""Results of every kind for the tests of reports and figures: small and quickly made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from test_cli_support import ROOT
from test_mapping import transformer
from test_teaching import MESH, small_chip

from archsim.html.report_page import report_page
from archsim.report.views import Comparison
from archsim.result import Result
from archsim.simulation import simulate

HOSTILE = "</script><script>alert('x')</script><img src=http://example.org/x.png>"
METHODS = {
    "full": (1.0, 1000.0),
    "branch": (2.0, 1.0),
    "middle": (1.5, 50.0),
    "never best": (3.0, 2000.0),
}


def mesh_result() -> Result:
    """A transformer on a chip of several tiles, with a mesh."""
    return simulate(small_chip(MESH), transformer(8), batch=2, chips=None)


def comparison() -> Comparison:
    """Four methods: (joules per inference, joules per switch)."""
    rows = [
        {
            "method": method,
            "platform": "chip",
            "inference_energy_j": inference,
            "switch_energy_j": switch,
            "inference_latency_s": 1e-3,
            "switch_latency_s": 1.0,
        }
        for method, (inference, switch) in METHODS.items()
    ]
    return Comparison.model_validate({"archsim_comparison_result": 1, "name": "four", "rows": rows})


def sweep_rows() -> list[dict[str, Any]]:
    """Twelve points of two settings; the last has no result."""
    rows: list[dict[str, Any]] = []
    for index in range(12):
        rate, bits = 0.25 * 2 ** (index % 4), 4 + index // 4
        rows.append(
            {
                "index": index,
                "tile.pe.adc.rate": f"{rate} GS/s",
                "tile.pe.adc.resolution": bits,
                "kind": "a" if index % 2 else "b",
                "status": "ok",
                "reason": None,
                "latency_s": 1e-3 / rate * bits,
                "energy_j": 1e-3 * rate * bits + 1e-4 * (index % 3),
                "area_mm2": 1.0 + bits,
                "tops_per_w": rate / bits,
                "digest": str(index),
            }
        )
    figures = ("latency_s", "energy_j", "area_mm2", "tops_per_w", "digest")
    rows[-1] |= {"status": "invalid", "reason": "too large", **dict.fromkeys(figures)}
    return rows


def reproduction() -> dict[str, Any]:
    rows = [
        {"quantity": "tile power", "published": 330.0, "simulated": 329.8, "unit": "mW"},
        {"quantity": "chip area", "published": 85.4, "simulated": 102.48, "unit": "mm2"},
    ]
    return {"archsim_reproduction": 1, "name": "Table I", "rows": rows}


def saved(folder: Path, name: str, content: Result | Comparison | dict[str, Any]) -> Path:
    """A folder with one JSON file of results."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content) if isinstance(content, dict) else content.model_dump_json()
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def all_pages(folder: Path) -> dict[str, str]:
    """The page of each kind of result."""
    from archsim.html.sweep_page import sweep_page

    return {
        "run": report_page(saved(folder / "run", "result.json", mesh_result())),
        "sweep": sweep_page("adc", sweep_rows()),
        "comparison": report_page(saved(folder / "comparison", "comparison.json", comparison())),
        "reproduction": report_page(
            saved(folder / "reproduction", "reproduction.json", reproduction())
        ),
    }


TEACHING = ROOT / "arch_configs" / "teaching.yaml", ROOT / "workloads" / "teaching.yaml"
