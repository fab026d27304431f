"""How the time inside the fast engine grows with the batch: ResNet-18 on ISAAC.

python benchmarks/batches.py [--runs 5]
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from archsim.arch.load import load_arch
from archsim.bench.engine_bench import MAPPED
from archsim.bench.timing import median_seconds
from archsim.engine import run_program
from archsim.mapping.lower import map_trace
from archsim.trace.load import load_trace

ROOT = Path(__file__).resolve().parent.parent
BATCHES = (1, 2, 4, 8, 16)


def main() -> None:
    """Measure and print one row per batch, and the exponent k of seconds ~ batch^k."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    case = next(case for case in MAPPED if case.name == "ResNet-18 on ISAAC")
    arch, trace = ROOT / case.arch, ROOT / case.workload
    medians = []
    for batch in BATCHES:
        program = map_trace(load_arch(arch), load_trace(trace), batch=batch).program
        run_program(program)  # warms up
        seconds, activity = median_seconds(partial(run_program, program), runs)
        medians.append(seconds)
        print(f"batch {batch:2}  events {activity.events:,}  {seconds:.3f} s")
    exponent = np.polyfit(np.log(BATCHES), np.log(medians), 1)[0]
    print(f"seconds ~ batch^{exponent:.3f}")


if __name__ == "__main__":
    main()
