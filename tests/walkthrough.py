"""A document whose files are written and whose commands are run, as a reader would.

    python tests/walkthrough.py docs/tutorial.md

writes the outputs of today into the document.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from archsim.cli.main import main

WIDTH = "120"
_STEP = re.compile(
    r"^`(?P<file>[\w.]+)`:\n\n```yaml\n(?P<text>.*?)```$"
    r"|^In `(?P<edited>[\w.]+)`, put `(?P<new>[^`]+)` for `(?P<old>[^`]+)`\.$"
    r"|^```console\n(?P<session>.*?)```$",
    re.MULTILINE | re.DOTALL,
)
_SPEED = re.compile(r" in [\d.]+ (s|ms), [\d.]+ [kMG]?services/s")
_WALL = re.compile(r"simulated in [\d.]+ (s|ms)")


def walked(document: str) -> str:
    """The document with the outputs that its commands have now; runs in an empty folder."""
    with _folder():
        return _STEP.sub(_step, document)


def _step(match: re.Match[str]) -> str:
    if match["file"]:
        Path(match["file"]).write_text(match["text"], encoding="utf-8")
        return match[0]
    if match["edited"]:
        path = Path(match["edited"])
        text = path.read_text(encoding="utf-8")
        assert text.count(match["old"]) == 1, (path, match["old"])
        path.write_text(text.replace(match["old"], match["new"]), encoding="utf-8")
        return match[0]
    commands = re.findall(r"^\$ (.+)$", match["session"], re.MULTILINE)
    said = "".join(f"$ {command}\n{_output(command)}" for command in commands)
    return f"```console\n{said}```"


def _output(command: str) -> str:
    """What `archsim ...` prints on both streams, without the times that vary."""
    program, *words = command.split()
    assert program == "archsim", command
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        main(words)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    text = _WALL.sub("simulated in ... s", _SPEED.sub(" in ... s", "\n".join(lines)))
    return f"{text}\n" if text else ""


@contextlib.contextmanager
def _folder() -> Iterator[None]:
    before, columns = Path.cwd(), os.environ.get("COLUMNS")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["COLUMNS"] = WIDTH
        try:
            yield
        finally:
            os.chdir(before)
            if columns is None:
                del os.environ["COLUMNS"]
            else:
                os.environ["COLUMNS"] = columns


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(walked(path.read_text(encoding="utf-8")), encoding="utf-8")
