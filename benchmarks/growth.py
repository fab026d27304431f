"""How the time inside the fast engine grows: with tokens, layers, arrays and batch.

python benchmarks/growth.py [--runs 3] [--plot docs/growth.png]

Tokens: a stack of linear layers, which comes to a steady state, and a decoder, whose attention
grows with every token. Layers: decoder blocks at 512 tokens. Arrays: one linear layer of growing
width at 512 vectors. Batch: ResNet-18. For each series seconds ~ x^k is fitted to the upper half.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from archsim.arch.load import load_arch
from archsim.bench.timing import median_seconds
from archsim.engine import run_program
from archsim.mapping.lower import map_trace
from archsim.models.build import build_trace
from archsim.models.decoder import DecoderConfig
from archsim.models.extent import Extent
from archsim.program import Program
from archsim.trace.load import load_trace
from archsim.trace.model import Trace

ROOT = Path(__file__).resolve().parent.parent
CHIP = ROOT / "arch_configs" / "isaac_llm.yaml"
WIDTH = 512


@dataclass(frozen=True)
class Series:
    """One way to grow: a name, the sizes, and the Program of a size."""

    name: str
    sizes: Sequence[int]
    program: Callable[[int], Program]


def _map(trace: Trace, chips: int | None = None) -> Program:
    return map_trace(load_arch(CHIP), trace, chips=chips, replicate=False).program


def linear_stack(tokens: int, layers: int = 4, width: int = WIDTH) -> Program:
    """`layers` linear layers of width x width over `tokens` vectors."""
    records = [
        {"name": f"linear{i}", "op": "linear", "inputs": [f"linear{i - 1}" if i else "x"],
         "in_features": width, "out_features": width}
        for i in range(layers)
    ]  # fmt: skip
    return _map(
        Trace.model_validate(
            {
                "archsim_trace": 1,
                "name": "stack",
                "provenance": {"model": "linear layers", "made_by": "benchmarks/growth.py"},
                "inputs": [{"name": "x", "shape": [tokens, width]}],
                "layers": records,
            }
        )
    )


def decoder(tokens: int, blocks: int = 2) -> Program:
    """A decoder of `blocks` blocks of width 512 with 16 heads, prefill of `tokens`."""
    config = DecoderConfig(
        archsim_model=1, name="decoder", source="benchmarks/growth.py", family="decoder",
        blocks=blocks, width=WIDTH, heads=16, kv_heads=16, feed_forward=4 * WIDTH, vocabulary=1024,
        positions=65536,
    )  # fmt: skip
    extent = Extent(seq=tokens, head=False)
    return _map(build_trace(config, extent, made_by="benchmarks/growth.py"))


def resnet(batch: int) -> Program:
    """ResNet-18 on ISAAC."""
    arch = load_arch(ROOT / "arch_configs" / "isaac.yaml")
    return map_trace(arch, load_trace(ROOT / "workloads" / "resnet18.yaml"), batch=batch).program


SERIES = (
    Series("tokens, 4 linear layers", (128, 256, 512, 1024, 2048, 4096, 8192), linear_stack),
    Series("tokens, decoder of 2 blocks", (128, 256, 512, 1024, 2048, 4096, 8192), decoder),
    Series("layers, decoder at 512 tokens", (1, 2, 4, 8, 16), lambda n: decoder(512, n)),
    Series(
        "width of one linear layer (arrays ~ width^2)", (512, 1024, 2048, 4096, 8192),
        lambda n: linear_stack(512, 1, n),
    ),
    Series("batch, ResNet-18", (1, 2, 4, 8, 16), resnet),
)  # fmt: skip


def main() -> None:
    """Measure all series; print a Markdown table of each, and draw them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    run_program(linear_stack(4))  # compiled code is loaded before anything is timed
    found = {}
    for series in SERIES:
        rows = []
        for size in series.sizes:
            program = series.program(size)
            seconds, activity = median_seconds(partial(run_program, program), options.runs)
            rows.append((size, program.services(), activity.events, seconds))
        found[series.name] = rows
        print(f"\n{series.name}\n\n| size | services | events | seconds |\n|---:|---:|---:|---:|")
        for size, services, events, seconds in rows:
            print(f"| {size:,} | {services:,} | {events:,} | {seconds:.4f} |")
        print(f"\nseconds ~ size^{exponent(rows):.2f}")
    if options.plot:
        draw(found, options.plot)


def exponent(rows: Sequence[tuple[int, int, int, float]]) -> float:
    """Least squares on the logarithms of the upper half of the sizes."""
    upper = rows[(len(rows) - 1) // 2 :]
    sizes, seconds = [row[0] for row in upper], [row[3] for row in upper]
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def draw(found: dict[str, list[tuple[int, int, int, float]]], path: Path) -> None:
    """Seconds against size relative to the first, both logarithmic, one line per series."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for (name, rows), marker in zip(found.items(), "osv^D", strict=True):
        label = f"{name}: exponent {exponent(rows):.2f}"
        axes.loglog(
            [row[0] / rows[0][0] for row in rows], [row[3] for row in rows],
            marker=marker, markersize=4, linewidth=1, label=label,
        )  # fmt: skip
    axes.set_xlabel("size, relative to the smallest")
    axes.set_ylabel("seconds inside the engine")
    axes.grid(alpha=0.3)
    figure.legend(fontsize=7, loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
