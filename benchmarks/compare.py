"""archsim's kernel beside a C++ event loop on the same Program: equal results, and the ratio.

    python benchmarks/compare.py [--flows 32] [--instances 2000] [--runs 5] [--json]

Compiles priority_queue.cpp into a temporary directory (the compiler is $CXX, else g++), runs the
two alternately, and stops with exit status 1 if any finish time differs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from archsim.bench.programs import contended
from archsim.engine import NO_SHORTCUTS, run_program
from archsim.engine.activity import Activity
from archsim.program import Program

SOURCE = Path(__file__).with_name("priority_queue.cpp")
LATE = {"C++, all queued at once": "0", "C++, instances made late": "1"}
ARCHSIM = "archsim"


def figures(activity: Activity) -> dict[str, int]:
    """What both sides must agree on: makespan and total wait in ticks, and the checksum.

    The checksum is sum(finish * (index + 1)) mod 2**64 over all finish times, flow by flow.
    """
    finish = np.concatenate(activity.finish).astype(np.uint64)
    weights = np.arange(1, len(finish) + 1, dtype=np.uint64)
    return {
        "makespan": activity.makespan,
        "waited": int(activity.wait.sum()),
        "checksum": int((finish * weights).sum(dtype=np.uint64)),
    }


def compile_loop(folder: Path) -> Path:
    """The compiled loop; CalledProcessError if the compiler fails."""
    binary = folder / "priority_queue"
    compiler = os.environ.get("CXX", "g++")
    command = [compiler, "-std=c++17", "-O3", "-march=native", str(SOURCE), "-o", str(binary)]
    subprocess.run(command, check=True)
    return binary


def run_loop(binary: Path, flows: int, instances: int, late: str) -> dict[str, str]:
    """One run of the C++ loop: the names and values that it prints."""
    command = [str(binary), str(flows), str(instances), late]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(line.split(" ", 1) for line in text.splitlines())


def run_archsim(program: Program) -> tuple[float, dict[str, int]]:
    """Wall seconds of one run of the fast engine without its shortcuts, and its figures."""
    begun = time.perf_counter()
    activity = run_program(program, NO_SHORTCUTS)
    return time.perf_counter() - begun, figures(activity)


def main() -> int:
    """Compile, run both alternately, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flows", type=int, default=32)
    parser.add_argument("--instances", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    program = contended(options.flows, options.instances)
    services = program.services()
    run_archsim(contended(4, 2))  # compiles, or reads compiled code from the cache
    seconds: dict[str, list[float]] = {name: [] for name in (ARCHSIM, *LATE)}
    with tempfile.TemporaryDirectory() as folder:
        binary = compile_loop(Path(folder))
        for _ in range(options.runs):
            wall, truth = run_archsim(program)
            seconds[ARCHSIM].append(wall)
            for name, late in LATE.items():
                values = run_loop(binary, options.flows, options.instances, late)
                expected = {"services": services, **truth}
                found = {key: int(values[key]) for key in expected}
                if found != expected:
                    print(f"error: {name} differs: {found}, archsim {expected}", file=sys.stderr)
                    return 1
                seconds[name].append(float(values["seconds"]))
    rates = {name: services / statistics.median(walls) for name, walls in seconds.items()}
    result = {
        "services": services,
        **truth,
        "services_per_s": rates,
        "ratio": {name: rates[ARCHSIM] / rates[name] for name in LATE},
        "seconds": seconds,
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"equal: {services:,} services, " + ", ".join(f"{k} {v}" for k, v in truth.items()))
    for name, rate in rates.items():
        times = f", archsim is {rates[ARCHSIM] / rate:.2f} times as fast" if name in LATE else ""
        print(f"{name}: {rate / 1e6:.2f} Mservices/s (median of {options.runs}){times}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
