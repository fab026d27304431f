"""Result directories appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archsim.errors import InputError
from archsim.system.output import check_directory, write_directory

FILES = {"result.json": "{}\n", "layers.csv": "name\n"}


def contents(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): p.read_text(encoding="utf-8")
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_writes_all_files_and_nothing_else(tmp_path: Path) -> None:
    write_directory(tmp_path / "a" / "run", FILES)
    assert contents(tmp_path) == {f"a/run/{name}": text for name, text in FILES.items()}
    assert os.listdir(tmp_path / "a") == ["run"]


def test_empty_directory_and_link_are_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_directory(tmp_path / "empty", FILES)
    assert sorted(os.listdir(tmp_path / "empty")) == sorted(FILES)
    (tmp_path / "link").symlink_to("target")
    write_directory(tmp_path / "link", FILES)
    assert (tmp_path / "link").is_symlink()
    assert sorted(os.listdir(tmp_path / "target")) == sorted(FILES)


def test_force_replaces_the_whole_earlier_run(tmp_path: Path) -> None:
    write_directory(tmp_path / "run", {**FILES, "old.txt": "old"})
    with pytest.raises(InputError, match="holds another run"):
        write_directory(tmp_path / "run", FILES)
    write_directory(tmp_path / "run", {"result.json": "new"}, force=True)
    assert contents(tmp_path) == {"run/result.json": "new"}
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("step", ["write_text", "rename"])
def test_failure_leaves_things_as_they_were(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    force: bool,
    fault: BaseException,
    step: str,
) -> None:
    target = tmp_path / "new" / "parent" / "run"
    if force:
        write_directory(target, FILES)
    before = contents(tmp_path)
    calls: list[object] = []
    real = os.rename

    def fail(*names: object, **_: object) -> None:
        calls.append(names)
        if step == "rename" and force and len(calls) != 2:  # only new over old fails
            real(*names)  # type: ignore[arg-type]
            return
        raise fault

    if step == "write_text":
        monkeypatch.setattr(Path, "write_text", fail)
    else:
        monkeypatch.setattr(os, "rename", fail)
        monkeypatch.setattr(os, "replace", fail)
    expected = InputError if isinstance(fault, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write_directory(target, {"result.json": "new"}, force=force)
    monkeypatch.undo()
    assert calls
    if expected is InputError:
        assert "No space left on device" in str(caught.value)
    assert contents(tmp_path) == before
    assert len(list(tmp_path.rglob("*"))) == (2 + 1 + len(FILES) if force else 0)


def test_places_that_can_not_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x", encoding="utf-8")
    for place, text in (
        ("file", "is a file"),
        ("file/run", "is a file"),
        ("loop", "loop"),
        (".", "current directory"),
        ("..", "current directory or one above"),
        ("full", "not empty and holds no run: 'mine.txt'"),
        ("n" * 300, "can't be written here"),
    ):
        with pytest.raises(InputError, match=text) as caught:
            check_directory(place, force=True)
        assert str(caught.value).startswith(place)


def test_directory_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(InputError, match="no permission to write"):
        check_directory(tmp_path / "a" / "run")
    assert list(tmp_path.iterdir()) == []
