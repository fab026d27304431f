"""Common architectures through torch: nothing lost, work as counted by torch and by the masks.

`python tests/test_architectures.py` writes docs/models_read.md from the same table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="traces of PyTorch modules take torch")
pytest.importorskip("transformers", reason="most architectures are those of transformers")

from architectures import ARCHITECTURES
from architectures.reading import Reading, by_hand, read, table

from archsim.trace.model import Trace

ROOT = Path(__file__).resolve().parent.parent
# Why the PyTorch way refuses them: each is an error that says so, none a silent loss.
REFUSED = {
    "Mixtral": "grouped_mm", "Qwen2-MoE": "grouped_mm", "Qwen3-MoE": "grouped_mm",
    "DeepSeek-V3": "grouped_mm", "C3D": "rank 5",
}  # fmt: skip
# MACs that need no input, worked out once: 16 position vectors, 2 projections in each of 2 blocks.
CONSTANT = {"DeBERTa-v2": 2 * 2 * 16 * 32 * 32}


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_nothing_is_lost(name: str) -> None:
    found = read(ARCHITECTURES[name])
    if name in REFUSED:
        assert found.trace is None and REFUSED[name] in found.why
        return
    assert found.trace is not None, found.why
    assert found.trace.parameters(biases=True) == found.parameters
    assert found.trace.macs() == found.macs - by_hand(found.trace) - CONSTANT.get(name, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in ARCHITECTURES.items() if case.runs])
def test_every_trace_runs(name: str) -> None:
    found = read(ARCHITECTURES[name])
    if found.trace is not None:
        assert _run(found.trace) > 0


def _run(trace: Trace) -> float:
    from archsim.simulation import simulate

    result: Any = simulate(ROOT / "arch_configs" / "isaac_vpu.yaml", trace)
    return float(result.latency_s)


def main() -> None:
    """Write docs/models_read.md."""
    rows: list[tuple[str, Reading]] = [(name, read(case)) for name, case in ARCHITECTURES.items()]
    (ROOT / "docs" / "models_read.md").write_text(table(rows))


if __name__ == "__main__":
    main()
