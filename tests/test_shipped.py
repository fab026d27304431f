"""Files that come with archsim are found by name, listed, copied and completed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli_support import Shell, shell  # noqa: F401

import archsim
from archsim.errors import InputError
from archsim.system import shipped
from archsim.system.version import commit

ROOT = Path(__file__).parent.parent


def test_names_stand_for_the_files_of_their_folders() -> None:
    chip = ROOT / "arch_configs" / "isaac_vpu.yaml"
    assert shipped.resolve("isaac_vpu", shipped.CHIPS) == str(chip)
    trace = ROOT / "traces" / "minilm_l6.trace.json"
    assert shipped.resolve("minilm_l6", *shipped.MODELS) == str(trace)
    assert shipped.resolve("llama_3.2_1b", *shipped.MODELS).endswith("workloads/llama_3.2_1b.yaml")
    every = sum(len(shipped.shipped(folder)) for folder in shipped.EXAMPLES)
    on_disk = [p for f in shipped.EXAMPLES for p in (ROOT / f).iterdir() if p.is_file()]
    assert every == len(on_disk) > 40


def test_a_file_that_is_there_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = "arch_configs/isaac.yaml"
    assert shipped.resolve(path, shipped.CHIPS) == str(ROOT / path)
    assert shipped.resolve("arch_configs/isaac", shipped.CHIPS) == str(ROOT / path)
    (tmp_path / "arch_configs").mkdir()
    (tmp_path / path).write_text("own")
    assert shipped.resolve(path, shipped.CHIPS) == path
    (tmp_path / "isaac").mkdir()  # a folder of this name is in nobody's way
    assert shipped.resolve("isaac", shipped.CHIPS) == str(ROOT / path)


@pytest.mark.parametrize("given", ["none.yaml", "../isaac", "a/b", "x" * 5000 + ".yaml", ""])
def test_what_means_no_name_is_left_to_the_reader(given: str) -> None:
    assert shipped.resolve(given, shipped.CHIPS) == given


def test_unknown_and_shared_names_say_what_is_right() -> None:
    with pytest.raises(InputError, match="Did you mean 'isaac_vpu'"):
        shipped.resolve("isac_vpu", shipped.CHIPS)
    both = "Write traces/mobilenet_v2 or workloads/mobilenet_v2"
    with pytest.raises(InputError, match=both):
        shipped.resolve("mobilenet_v2", *shipped.MODELS)
    assert shipped.resolve("traces/mobilenet_v2", *shipped.MODELS).endswith(".trace.json")


def test_a_run_by_name_is_the_run_by_path(shell: Shell) -> None:  # noqa: F811
    paths = [str(ROOT / "arch_configs/teaching.yaml"), str(ROOT / "workloads/teaching.yaml")]
    by_name, by_path = (
        json.loads(shell("run", *words, "--json")[1])["inputs"]
        for words in (["teaching", "teaching"], paths)
    )
    assert by_name["arch_sha256"] == by_path["arch_sha256"]
    assert by_name["trace_sha256"] == by_path["trace_sha256"]
    assert archsim.simulate("teaching", "teaching").latency_s > 0


def test_examples_are_listed_and_copied(shell: Shell, tmp_path: Path) -> None:  # noqa: F811
    listed = json.loads(shell("examples", "--json")[1])
    assert set(listed) == set(shipped.EXAMPLES)
    status, out, _ = shell("examples", "--copy", tmp_path / "mine")
    assert status == 0 and "files in arch_configs" in out
    for folder in shipped.EXAMPLES:
        copied = {p.name for p in (tmp_path / "mine" / folder).iterdir()}
        assert copied == {p.name for p in (ROOT / folder).iterdir()}
    assert "exists already" in shell.refused("examples", "--copy", tmp_path / "mine")


def test_help_prints_documents_and_commands(shell: Shell) -> None:  # noqa: F811
    _, topics, _ = shell("help")
    for path in (ROOT / "docs").glob("*.md"):
        assert f"  {path.stem} " in topics
    _, timing, _ = shell("help", "timing")
    assert timing.strip() == (ROOT / "docs" / "timing.md").read_text(encoding="utf-8").strip()
    _, export, _ = shell("help", "trace", "export", "onnx")
    assert export.startswith("Usage: archsim trace export onnx")
    assert "'timing'" in shell.refused("help", "timming")
    assert "'onnx'" in shell.refused("help", "trace", "export", "onx")


def test_a_shell_completes_commands_and_names() -> None:
    def complete(words: str, at: int) -> list[str]:
        environment = {**os.environ, "COMP_WORDS": words, "COMP_CWORD": str(at)}
        environment["_ARCHSIM_COMPLETE"] = "bash_complete"
        called = "import sys; from archsim.cli.main import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", called],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout.split()

    assert complete("archsim ru", 1) == ["plain,run"]
    assert "plain,isaac_vpu" in complete("archsim run isa", 2)
    assert "plain,minilm_l6" in complete("archsim run isaac_vpu mini", 3)
    assert "plain,--batch" in complete("archsim run --b", 2)


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_scripts_ask_archsim(shell: Shell, name: str) -> None:  # noqa: F811
    status, out, _ = shell("completion", name)
    assert status == 0 and f"_ARCHSIM_COMPLETE={name}_complete" in out


def test_the_version_names_the_commit(shell: Shell) -> None:  # noqa: F811
    _, out, _ = shell("--version")
    found = commit()
    assert out.strip() == f"archsim {archsim.__version__}" + (f" ({found})" if found else "")
    if (ROOT / ".git").exists():
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert found is not None and head.stdout.startswith(found.removesuffix("-dirty"))
