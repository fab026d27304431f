"""Records on disk as they are made: SQLite in WAL mode, each record with its own checksum."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from archsim.errors import InputError

PAGE_SIZE = 65536  # so that a record lies in one page, where a damaged file can be searched for it
_MARK = b'{"archsim_record":'
_RECORD = re.compile(re.escape(_MARK) + rb'"([0-9a-f]{16})","name":[^\0]*?\}\n')
_FULL = ("disk is full", "disk I/O error")
Record = Mapping[str, Any]


class Damage(NamedTuple):
    """What was found wrong with a store: where the damaged file is kept, records kept and lost.

    lost is the least number; records behind the last intact one leave no trace.
    """

    moved_to: Path
    kept: int
    lost: int

    def text(self) -> str:
        """A sentence for the user."""
        lost = f"at least {self.lost}" if self.lost else "none, or the last ones,"
        return (
            f"the results were damaged: {self.kept} points are kept, {lost} lost and simulated "
            f"again; the damaged file is {self.moved_to}"
        )


class Store:
    """Records by name. One process writes; others may read at the same time.

    A record that was put is on disk when `put` returns, whichever process is killed then.
    """

    def __init__(self, path: Path, *, verify: bool = True) -> None:
        """Open or make a store. A damaged one is set aside and its intact records are kept.

        verify: read every record to see that it is intact. `damage` then says what happened.
        Raises InputError if the place cannot be used.
        """
        self.path, self._verify = path, verify
        self.damage: Damage | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise _unusable(path, fault.strerror or str(fault)) from None
        try:
            self._open()
        except sqlite3.DatabaseError as fault:
            self._close()
            if isinstance(fault, sqlite3.OperationalError) and not _is_damage(fault):
                raise _unusable(path, str(fault)) from None
            self.damage = self._salvage()

    def put(self, records: Mapping[str, Record]) -> None:
        """Write records by name in one transaction, replacing those of the same names.

        Raises InputError if the disk is full; then none of them is written.
        """
        rows = []
        for name, record in records.items():
            self._sequence += 1
            rows.append((name, self._sequence, _pack(name, self._sequence, record)))
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", rows)
        except sqlite3.OperationalError as fault:
            full = any(text in str(fault) for text in _FULL)
            raise InputError(
                "there is no space left for the results." if full else f"can't write: {fault}.",
                str(self.path),
                "What was written before is kept. Make room, then go on with --resume.",
            ) from None

    def get(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The records of those names that are there."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(names), 500):
            part = names[start : start + 500]
            query = f"SELECT text FROM records WHERE name IN ({','.join('?' * len(part))})"
            for (text,) in self._database.execute(query, part):
                name, _, record = _unpack(text)
                found[name] = record
        return found

    def items(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """All records with their names, in the order in which they were put."""
        for (text,) in self._database.execute("SELECT text FROM records ORDER BY sequence"):
            name, _, record = _unpack(text)
            yield name, record

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> None:
        self._database = sqlite3.connect(self.path, timeout=30)
        self._database.execute(f"PRAGMA page_size={PAGE_SIZE}")
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        with self._database:
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS records "
                "(name TEXT PRIMARY KEY, sequence INTEGER NOT NULL, text TEXT NOT NULL)"
            )
        if self._verify:
            for (line,) in self._database.execute("PRAGMA quick_check"):
                if line != "ok":
                    raise sqlite3.DatabaseError(line)
            for _ in self.items():  # checks each checksum
                pass
        (last,) = self._database.execute("SELECT max(sequence) FROM records").fetchone()
        self._sequence = last or 0

    def _close(self) -> None:
        with contextlib.suppress(sqlite3.Error, AttributeError):
            self._database.close()

    def _salvage(self) -> Damage:
        """Set the damaged file aside and start a new one with every record that is intact in it."""
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        raw = b""
        for ending in ("", "-wal", "-shm"):
            part = Path(f"{self.path}{ending}")
            if part.exists():
                raw += part.read_bytes() if ending != "-shm" else b""
                os.replace(part, f"{aside}{ending}")
        found: dict[str, tuple[int, dict[str, Any]]] = {}
        highest = 0
        for name, sequence, record in _intact(raw):
            highest = max(highest, sequence)
            if name not in found or found[name][0] < sequence:
                found[name] = (sequence, record)
        self._open()
        # In the order of their writing, so that the count of lost ones is right another time.
        ordered = sorted(found.items(), key=lambda item: item[1][0])
        self.put({name: record for name, (_, record) in ordered})
        return Damage(aside, len(found), max(highest - len(found), 0))


def _pack(name: str, sequence: int, record: Record) -> str:
    body = json.dumps({"name": name, "sequence": sequence, "record": record}, ensure_ascii=True)
    body = body.replace('"name": ', '"name":', 1)
    return f'{_MARK.decode()}"{_sum(body)}",{body[1:]}\n'


def _unpack(text: str) -> tuple[str, int, dict[str, Any]]:
    """(name, sequence, record); DatabaseError if the checksum is wrong."""
    head = len(_MARK)
    body = "{" + text[head + 19 : -1]
    if text[head + 1 : head + 17] != _sum(body):
        raise sqlite3.DatabaseError("a record is damaged")
    data = json.loads(body)
    return data["name"], data["sequence"], data["record"]


def _sum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _intact(raw: bytes) -> Iterable[tuple[str, int, dict[str, Any]]]:
    for match in _RECORD.finditer(raw):
        with contextlib.suppress(sqlite3.DatabaseError, ValueError, KeyError):
            yield _unpack(match.group().decode("ascii", "replace"))


def _is_damage(fault: sqlite3.OperationalError) -> bool:
    return any(word in str(fault) for word in ("malformed", "not a database", "corrupt"))


def _unusable(path: Path, why: str) -> InputError:
    return InputError(
        f"the results can't be kept here: {why}.", str(path), "Choose a folder that can be written."
    )
