"""Comparisons: each method's figures, the GPUs, and what a scenario makes of them."""

from __future__ import annotations

import csv
import io
import math
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from test_compare_costs import square
from test_methods_support import conv, hybrid, plain, trace_of

from archsim.adaptation.comparison import compare
from archsim.adaptation.comparison_file import (
    Experiment,
    GpuChoice,
    Learn,
    Options,
    Tasks,
    label,
)
from archsim.adaptation.comparison_result import Comparison, ComparisonRow
from archsim.adaptation.evaluate import evaluate
from archsim.adaptation.gpu_rows import gpu_rows
from archsim.adaptation.overlap import overlap
from archsim.adaptation.registry import make_method
from archsim.errors import InputError
from archsim.gpu.adapters import adapter_load, adapter_merge
from archsim.gpu.inference import inference
from archsim.gpu.load import load_gpu
from archsim.learning import learning_work
from archsim.report import compare_tables, compare_text
from archsim.tables.table import Table
from archsim.trace.scenario import Generator, Scenario

EIGHT = Tasks(tasks=8, inferences_per_task=10_000)
METHODS = ("full", "lora-rram", "halora", "xbm", "linear-probe")


def made(
    methods: tuple[str | dict[str, Any], ...] = METHODS,
    gpus: tuple[str, ...] = ("a100", "jetson-nano"),
    tasks: Tasks = EIGHT,
    **options: Any,
) -> Experiment:
    found = [make_method(m) if isinstance(m, str) else make_method(m["kind"], m) for m in methods]
    trace = square()
    rule = Generator(tasks=tasks.tasks, inferences_per_task=tasks.inferences_per_task)
    choices = {"a100": "bf16", "jetson-nano": "fp16"}
    return Experiment(
        name="a test",
        arch=hybrid(),
        arch_path="",
        trace=trace,
        trace_path="",
        methods={label(method): method for method in found},
        gpus={n: (load_gpu(n), GpuChoice(gpu=n, precision=choices[n])) for n in gpus},
        scenario=Scenario("s", trace, Path(), rule),
        scenario_path="",
        options=Options.model_validate(options),
    )


@cache
def standard() -> Comparison:
    return compare(made())


@cache
def with_all() -> Comparison:
    """Everything switched on."""
    learn = Learn(optimizer="adam", batch=2, steps=5)
    return compare(made(("full", "halora"), overlap=2, learn=learn.model_dump()))


def row(comparison: Comparison, method: str, platform: str = "RRAM/SRAM hybrid") -> ComparisonRow:
    (found,) = [r for r in comparison.rows if (r.method, r.platform) == (method, platform)]
    return found


# --- rows of the chip ---------------------------------------------------------------------


def test_a_row_has_the_figures_of_the_evaluation() -> None:
    found = row(standard(), "halora")
    alone = evaluate(make_method("halora"), hybrid(), square())
    assert found.inference_energy_j == alone.inference.energy_j
    assert found.inference_latency_s == alone.inference.latency_s
    assert (found.switch_energy_j, found.switch_latency_s) == (
        alone.switch.joules, alone.switch.seconds,
    )  # fmt: skip
    assert found.trained == alone.adapted.trained
    assert (
        found.extra_energy_j
        == found.inference_energy_j - row(standard(), "full").inference_energy_j
    )
    assert found.extra_energy_j > 0


def test_what_programs_nothing_wears_nothing() -> None:
    for method in ("halora", "xbm"):
        found = row(standard(), method)
        assert (found.rows_programmed, found.cells_programmed, found.pulses) == (0, 0, 0)
        assert found.switches_until_worn is None
        assert found.bits_written > 0
    full = row(standard(), "full")
    assert full.switches_until_worn is not None
    assert full.cells_programmed > 0
    # A cell survives a million cycles, and a switch gives most of them a new level.
    assert 10**6 < full.switches_until_worn < 2 * 10**6


def test_nothing_is_charged_for_a_switch_that_writes_nothing() -> None:
    base = row(standard(), "base", "a100")
    assert (base.switch_energy_j, base.switch_latency_s, base.switches) == (0, 0, 0)
    assert base.amortised_energy_j == base.inference_energy_j


def test_twice_the_rank_takes_twice_the_bits() -> None:
    found = compare(made(({"kind": "halora", "rank": 4}, {"kind": "halora", "rank": 16}), ()))
    four, sixteen = found.rows
    assert sixteen.stored_bits == 4 * four.stored_bits
    assert sixteen.trained == 4 * four.trained
    assert sixteen.bits_written == 4 * four.bits_written
    assert sixteen.name != four.name


def test_column_masks_take_a_bit_per_column_of_weights() -> None:
    assert row(standard(), "xbm").stored_bits == 2 * 128 * 128 // 128


# --- over a scenario ----------------------------------------------------------------------


def test_with_one_inference_per_task_programming_all_cells_is_the_worst() -> None:
    found = compare(made(tasks=Tasks(tasks=8, inferences_per_task=1)))
    full = row(found, "full")
    for other in found.rows:
        if other is not full:
            assert other.amortised_energy_j < full.amortised_energy_j
            assert other.amortised_latency_s < full.amortised_latency_s


def test_with_many_inferences_per_task_only_the_inference_counts() -> None:
    found = compare(made(tasks=Tasks(tasks=2, inferences_per_task=10**12)))
    for one in found.rows:
        assert one.amortised_energy_j == pytest.approx(one.inference_energy_j, rel=1e-6)
        assert one.amortised_latency_s == pytest.approx(one.inference_latency_s, rel=1e-6)


@pytest.mark.parametrize("comparison", [standard, with_all])
def test_the_total_is_the_sum_of_its_parts(comparison: Any) -> None:
    found = comparison()
    assert (found.tasks, found.inferences) == (8, 80_000)
    for one in found.rows:
        for costs, amortised in (
            (one.energy, one.amortised_energy_j),
            (one.latency, one.amortised_latency_s),
        ):
            parts = costs.parts(found.inferences, one.switches, found.tasks)
            assert sum(parts.values()) == pytest.approx(found.inferences * amortised, rel=1e-12)


def test_energy_is_equal_at_the_break_even_point() -> None:
    found = standard()
    rows = {one.name: one for one in found.rows}
    crossings = [c for c in found.break_even if c.inferences_per_task is not None]
    assert crossings
    for crossing in crossings:
        own, other = (
            getattr(rows[name], crossing.quantity).line(found.tasks)
            for name in (crossing.row, crossing.than)
        )
        at = crossing.inferences_per_task
        assert at is not None
        assert own.at(at) == pytest.approx(other.at(at), rel=1e-6)


def test_resident_tasks_are_not_written_again() -> None:
    experiment = made(("halora", "full"), ())
    rule = Generator(tasks=4, inferences_per_task=10, order="round_robin")
    experiment = replace(experiment, scenario=Scenario("s", square(), Path(), rule))
    found = compare(experiment)
    halora = row(found, "halora")
    assert halora.residents is not None and halora.residents >= 4
    assert halora.switches == 4
    # Copies of the layers fill the chip, so that no second set of weights is resident.
    one = compare(replace(experiment, options=Options(replicate=False)))
    assert row(one, "full").switches == 4
    if row(found, "full").residents == 1:
        assert row(found, "full").switches == 40


def test_the_ratio_is_to_the_best_row_of_the_first_gpu() -> None:
    found = standard()
    there = [r for r in found.rows if r.platform == "a100" and r.adapts]
    best = min(r.amortised_energy_j for r in there)
    assert min(r.gpu_ratio or math.inf for r in there) == 1.0
    for one in found.rows:
        assert one.gpu_ratio == one.amortised_energy_j / best
    assert all(r.gpu_ratio is None for r in compare(made(("xbm",), ())).rows)


# --- GPUs ---------------------------------------------------------------------------------


def test_the_rows_of_a_gpu() -> None:
    gpu = load_gpu("a100")
    choice = GpuChoice(gpu="a100", precision="bf16", batch=4, rank=8)
    base, full, lora, merged = gpu_rows(gpu, "a100", choice, square())
    result = inference(gpu, square(), 4, "bf16")
    assert base.inference_energy_j == result.joules / 4
    assert base.inference_latency_s == result.seconds / 4
    assert base.trained == 0 and not base.adapts
    assert full.stored_bits == 2 * 128 * 128 * 16
    load = adapter_load(gpu, 2 * 128 * 128 * 2)
    assert (full.switch_energy_j, full.switch_latency_s) == (load.joules, load.seconds)
    assert lora.stored_bits == 2 * 8 * 256 * 16
    assert lora.extra_energy_j > 0
    assert merged.inference_energy_j == base.inference_energy_j
    kernels = adapter_merge(gpu, [(128, 128)] * 2, 8, "bf16")
    assert merged.switch_latency_s == pytest.approx(
        lora.switch_latency_s + sum(k.seconds for k in kernels)
    )
    assert merged.residents == 1
    assert lora.residents is not None and full.residents is not None
    assert lora.residents > full.residents


def test_a_gpu_that_is_too_small_and_a_rank_that_is_too_large_are_refused() -> None:
    gpu = load_gpu("jetson-nano")
    tiny = gpu.model_copy(update={"memory": gpu.memory.model_copy(update={"capacity": 8000.0})})
    with pytest.raises(InputError, match="of memory"):
        gpu_rows(tiny, "tiny", GpuChoice(gpu="x", precision="fp16"), square())
    with pytest.raises(InputError, match="side of 128"):
        gpu_rows(gpu, "nano", GpuChoice(gpu="x", precision="fp16", rank=200), square())


# --- learning and overlap -----------------------------------------------------------------


def test_learning_is_counted_once_for_each_task() -> None:
    found = with_all()
    full, halora = row(found, "full"), row(found, "halora")
    assert full.learning_energy_j > halora.learning_energy_j > 0
    work = learning_work(
        square(), ["block.query", "block.value"], optimizer="adam", batch=2,
        weight_bits=8, activation_bits=8, gradient_bits=8,
    )  # fmt: skip
    assert full.peak_memory_bits == work.peak_bits
    # Every step writes the cells once more.
    bare = row(standard(), "full").switches_until_worn
    assert full.switches_until_worn is not None and bare is not None
    assert full.switches_until_worn < bare / 2
    parts = full.energy.parts(found.inferences, full.switches, found.tasks)
    assert parts["learning"] == 8 * full.learning_energy_j
    assert row(found, "lora", "a100").peak_memory_bits is not None
    assert row(found, "base", "a100").peak_memory_bits is None


def test_a_switch_beside_inferences() -> None:
    trace, chip = square(), hybrid()
    full = overlap(chip, make_method("full").adapt(trace, chip), 2)
    # Programming takes the arrays that inference needs; both take longer than alone.
    assert full.slow_down > 1
    alone = row(standard(), "full").switch_latency_s
    assert full.programming_s >= 0.99 * alone
    assert full.delay_s <= full.programming_s
    assert full.together_j > full.alone_j
    masks = overlap(chip, make_method("xbm").adapt(trace, chip), 2)
    assert masks.delay_s < full.delay_s
    assert masks.extra_j < full.extra_j


def test_overlap_replaces_what_a_switch_costs_alone() -> None:
    full = row(with_all(), "full")
    assert full.overlap is not None
    assert full.energy.switch == full.overlap.extra_j
    assert full.latency.switch == full.overlap.delay_s
    assert full.latency.switch < full.switch_latency_s + full.overlap.inference_s


# --- what does not fit --------------------------------------------------------------------


def test_what_does_not_fit_is_an_error_or_a_row_with_the_reason() -> None:
    experiment = replace(made(("full", "halora"), ("a100",)), arch=plain())
    with pytest.raises(InputError, match=r"SRAM LoRA branch.*--skip-unfit"):
        compare(replace(experiment, methods={"halora": make_method("halora")}))
    found = compare(experiment, skip_unfit=True)
    assert {u.method for u in found.unfit} == {"full", "halora"}
    assert [r.method for r in found.rows] == ["base", "full", "lora", "lora, merged"]
    table = compare_tables.left_out(found)
    assert table is not None
    records = list(csv.DictReader(io.StringIO(compare_text.as_csv(found))))
    assert [r["reason"] != "" for r in records] == [False] * 4 + [True] * 2
    with pytest.raises(InputError, match="none of the methods fits"):
        compare(replace(experiment, gpus={}), skip_unfit=True)


def test_a_model_without_linear_layers_has_no_lora_rows() -> None:
    layers = [conv("only", "x", 3, 8)]
    choice = GpuChoice(gpu="a100", precision="bf16")
    found = gpu_rows(load_gpu("a100"), "a100", choice, trace_of("conv", [4, 4, 3], layers))
    assert [r.method for r in found] == ["base", "full"]


def test_processes_give_the_same_rows() -> None:
    told: list[tuple[str, int, int]] = []
    experiment = made(("xbm", "halora"), ())
    two = compare(experiment, workers=2, progress=lambda *a: told.append(a))
    assert two == compare(experiment)
    assert [done for _, done, _ in told] == list(range(1, len(told) + 1))
    assert told[-1][1] == told[-1][2]


# --- as text ------------------------------------------------------------------------------


def test_every_table_fits_120_columns() -> None:
    from rich.console import Console

    from archsim.report.terminal import render

    for table in compare_tables.all_tables(with_all()):
        page = Console(file=io.StringIO(), width=120)
        page.print(render(table, 120))
        assert isinstance(page.file, io.StringIO)
        lines = page.file.getvalue().splitlines()
        assert max(map(len, lines)) <= 120


def test_a_break_even_table_names_the_points() -> None:
    table, more = compare_tables.break_evens(standard())
    assert len(table.columns) == len(more.columns) + 5  # 7 columns of names, 6 in a table
    assert isinstance(table, Table)
    full = next(r for r in table.records if r.name == "full on RRAM/SRAM hybrid")
    column = next(c for c in table.columns if c.name == "xbm on RRAM/SRAM hybrid")
    lines = [row(standard(), m).energy.line(8) for m in ("full", "xbm")]
    at = (lines[0].per_task - lines[1].per_task) / (lines[1].each - lines[0].each)
    assert column.cell(full) == f"from {at / 1e3:.4g} k"
    assert next(c for c in table.columns if c.name == full.name).cell(full) == "-"


def test_json_brings_everything_back() -> None:
    text = with_all().model_dump_json()
    assert "Infinity" not in text and "NaN" not in text
    assert Comparison.model_validate_json(text) == with_all()
    frame = with_all().frame()
    assert list(frame.method)[:2] == ["full", "halora"]


def test_latex_compiles(tmp_path: Path) -> None:
    text = compare_text.as_latex(with_all())
    tables = compare_tables.all_tables(with_all())
    assert text.count("\\toprule") == text.count("\\bottomrule") == len(tables)
    assert "multirow" not in text
    for tabular in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.S):
        wanted = len(tabular[0]) - 1
        lines = [line for line in tabular[1].splitlines() if line.endswith(r"\\")]
        assert {line.replace(r"\&", "").count("&") for line in lines} == {wanted}
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "t.tex").write_text(f"{head}\n{text}\n\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def test_figures_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from archsim.plots.compare_figures import draw_comparison

    draw_comparison(with_all(), tmp_path / "figures")
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["amortised.pdf", "amortised.png", "breakdown.pdf", "breakdown.png"]
    heads = {path.suffix: path.read_bytes()[:4] for path in (tmp_path / "figures").iterdir()}
    assert heads == {".pdf": b"%PDF", ".png": b"\x89PNG"}


def test_the_benchmark_times_every_method() -> None:
    from archsim.bench.compare_bench import compare_bench

    told: list[str] = []
    found = compare_bench(made(("xbm", "halora"), ("a100",)), 1, told.append)
    assert [m.name for m in found.methods] == told[1:] == ["xbm", "halora"]
    assert found.whole_s > 0 and all(m.wall_s >= 0 for m in found.methods)
    table = compare_tables.bench_table(found)
    assert [r[0] for r in table.records] == ["all together", "xbm", "halora"]
