"""`archsim validate` on sweeps, scenarios and comparisons."""

from __future__ import annotations

import json

from test_cli_support import ROOT, Shell, shell
from test_sweep_support import GRID, HEAD

__all__ = ["shell"]
SCENARIO = ROOT / "workloads" / "eight_tasks.scenario.yaml"
COMPARISON = ROOT / "experiments" / "my_comparison.yaml"


def test_what_a_user_writes_is_validated(shell: Shell) -> None:
    sweep = shell.file("sweep.yaml", HEAD + GRID + "constraints: [tile.bus.wires < 8]\n")
    status, out, err = shell("validate", sweep, SCENARIO, COMPARISON)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{sweep}: sweep test, 2 axes, 6 points, 3 of them excluded"
    assert lines[1].endswith("scenario eight_tasks of minilm_l6, 8 tasks, 80,000 requests")
    assert lines[2].endswith("minilm_l6 on RRAM/SRAM hybrid, 4 methods, 2 GPUs")
    found = json.loads(shell("validate", "--json", sweep, SCENARIO, COMPARISON).out)["files"]
    assert [entry["kind"] for entry in found] == ["sweep", "scenario", "comparison"]
    assert (found[0]["points"], found[0]["excluded"]) == (6, 3)
    assert found[1]["inferences"] == 80_000
    assert found[2]["methods"][1] == "halora, rank 8"


def test_their_errors_say_where(shell: Shell) -> None:
    sweep = shell.file("sweep.yaml", HEAD + GRID.replace("bus.wires", "bus.wirs"))
    rule = "generator: {tasks: 2, inferences_per_task: 1}\n"
    scenario = shell.file("s.yaml", f"archsim_scenario: 1\nname: s\ntrace: no.yaml\n{rule}")
    text = f"archsim_comparison: 1\narch: no.yaml\ntrace: {SCENARIO}\nmethods: [full]\n"
    comparison = shell.file("c.yaml", text)
    both = shell.file("both.yaml", text + "archsim_sweep: 1\n")
    status, out, err = shell("validate", sweep, scenario, comparison, both)
    assert (status, out) == (2, "")
    lines = err.splitlines()
    assert f"{sweep}:7 (axes[\"tile.bus.wirs\"]): there is no value 'tile.bus.wirs'" in lines[0]
    assert "tile.bus.wires" in lines[0]
    assert f"{scenario}:3 (trace): there is no trace 'no.yaml'" in lines[1]
    assert f"{comparison}:2 (arch): there is no file 'no.yaml'" in lines[2]
    assert "both 'archsim_comparison' and 'archsim_sweep'" in lines[3]


def test_commands_for_one_kind_say_what_else_a_file_is(shell: Shell) -> None:
    said = shell.refused("show", SCENARIO)
    assert "this is a scenario" in said and "Give an architecture or a trace" in said
    assert "neither" not in shell("validate", SCENARIO).err
