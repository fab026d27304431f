"""Fits the A100's constants to NVIDIA's table of BERT, and says how far the model is from it.

    python scripts/fit_gpu.py          # errors with the shipped constants
    python scripts/fit_gpu.py --fit    # fits anew (minutes), prints constants and errors

The table is arch_configs/gpu/bert_a100_40gb.csv. Eight of its 80 times (BERT-base, 128 tokens,
batch 1, 8, 32, 128) are left out of the fit; tests/test_gpu_measured.py holds them.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from archsim.gpu import parts
from archsim.gpu.inference import inference
from archsim.gpu.load import load_gpu
from archsim.gpu.model import GPU
from archsim.models.build import build_trace
from archsim.models.extent import Extent
from archsim.models.load import load_config
from archsim.trace.model import Trace

TABLE = Path(__file__).resolve().parents[1] / "arch_configs" / "gpu" / "bert_a100_40gb.csv"
LEFT_OUT = {("bert-base", 128, batch) for batch in (1, 8, 32, 128)}
BOUNDS = {
    "latency": (0.5e-6, 8e-6), "tile": (0.05e-6, 6e-6), "fp16": (0.5, 1.0), "int8": (0.4, 1.0),
    "cache": (0.3, 1.0), "softmax": (2.0, 100.0),
}  # fmt: skip


class Row(NamedTuple):
    model: str
    tokens: int
    batch: int
    precision: str
    seconds: float

    @property
    def fitted(self) -> bool:
        return (self.model, self.tokens, self.batch) not in LEFT_OUT


def table() -> list[Row]:
    """NVIDIA's measured times."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(line for line in file if not line.startswith("#"))
        return [
            Row(e["model"], int(e["tokens"]), int(e["batch"]), e["precision"], float(e["ms"]) / 1e3)
            for e in lines
        ]


@cache
def bert(model: str, tokens: int, blocks: int) -> Trace:
    """BERT's embeddings and some of its blocks at a sequence length."""
    config = load_config(model).model_copy(update={"blocks": blocks, "parameters": None})
    return build_trace(config, Extent(seq=tokens, head=False), "scripts/fit_gpu.py")


def seconds(gpu: GPU, row: Row) -> float:
    """Time of the whole model: of one block, and as often as needed what a second one adds."""
    one, two = (
        inference(gpu, bert(row.model, row.tokens, n), row.batch, row.precision).seconds
        for n in (1, 2)
    )
    return one + (load_config(row.model).blocks - 1) * (two - one)  # type: ignore[attr-defined]


def errors(gpu: GPU, rows: Iterable[Row]) -> list[float]:
    """Modelled over measured time, less 1."""
    return [seconds(gpu, row) / row.seconds - 1 for row in rows]


def with_constants(gpu: GPU, constants: dict[str, float]) -> GPU:
    """The GPU with other constants, and the softmax's operations set beside it."""
    parts.SOFTMAX_OPS = constants["softmax"]  # type: ignore[misc, assignment]
    compute = {
        name: rate.model_copy(update={"efficiency": constants.get(name, rate.efficiency)})
        for name, rate in gpu.compute.items()
    }
    launch = gpu.launch.model_copy(update={"latency": constants["latency"]})
    processors = gpu.processors.model_copy(update={"tile": constants["tile"]})
    cached = gpu.cache.model_copy(update={"efficiency": constants["cache"]})
    return gpu.model_copy(
        update={"compute": compute, "launch": launch, "processors": processors, "cache": cached}
    )


def fit(gpu: GPU, rows: list[Row]) -> dict[str, float]:
    """Constants with the least mean absolute error of the logarithms."""
    from scipy.optimize import differential_evolution

    def constants(x: np.ndarray) -> dict[str, float]:
        return dict(zip(BOUNDS, np.exp(x).tolist(), strict=True))

    def loss(x: np.ndarray) -> float:
        found = errors(with_constants(gpu, constants(x)), rows)
        return float(np.mean(np.abs(np.log1p(found))))

    bounds = [tuple(np.log(pair)) for pair in BOUNDS.values()]
    found = differential_evolution(loss, bounds, seed=1, maxiter=12, popsize=4, polish=False)
    return constants(found.x)


def main() -> None:
    gpu, rows = load_gpu("a100-40gb"), table()
    if "--fit" in sys.argv[1:]:
        constants = fit(gpu, [row for row in rows if row.fitted])
        print({name: float(f"{value:.3g}") for name, value in constants.items()})
        gpu = with_constants(gpu, constants)
    found = errors(gpu, rows)
    for row, error in zip(rows, found, strict=True):
        print(*row[:4], f"{row.seconds * 1e3:.2f} ms", f"{error:+.1%}", "" if row.fitted else "*")
    for name, chosen in (("fitted", True), ("left out (*)", False)):
        sizes = [abs(e) for e, row in zip(found, rows, strict=True) if row.fitted is chosen]
        print(f"{name}: median {np.median(sizes):.1%}, worst {max(sizes):.1%}")


if __name__ == "__main__":
    main()
