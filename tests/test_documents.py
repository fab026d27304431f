"""Documents: what YAML and JSON mean, where keys stand, includes, and every way to fail."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from archsim.documents import load_document, validate
from archsim.documents.json_reader import read_json
from archsim.documents.node import plain
from archsim.documents.yaml_reader import read_yaml
from archsim.errors import InputError

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def read(text: str) -> Any:
    return plain(read_yaml(text, "a.yaml"))


def failure(call: Callable[[], object]) -> InputError:
    with pytest.raises(InputError) as caught:
        call()
    return caught.value


# Scalars


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e6", 1e6),
        ("1.5", 1.5),
        ("-.5E-3", -0.5e-3),
        ("3.", 3.0),
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("0x1f", 31),
        ("0o17", 15),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2024-01-02", "2024-01-02"),
        ("0b11", "0b11"),
        ("=", "="),
        ("<<", "<<"),
        ('"10"', "10"),
        ("'true'", "true"),
        ('""', ""),
        ("|\n  10", "10"),
        ("!!str 10", "10"),
        ('!!int "10"', 10),
        ("!!float 3", 3.0),
        ("1.2 GHz", "1.2 GHz"),
    ],
)
def test_core_schema_scalars(text: str, value: object) -> None:
    got = read(f"a: {text}")["a"]
    assert got == value
    assert type(got) is type(value)


def test_nan() -> None:
    assert math.isnan(read("a: .nan")["a"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: !!int x", "does not fit its tag '!!int'"),
        ("a: 1e999", "out of range"),
        (f"a: {'9' * 5000}", "out of range"),
        ("a: !thing 3", "the tag '!thing' is not known"),
        ("a: !!binary aGk=", "the tag '!!binary' is not known"),
        ("a: !!python/object:os.system {}", "is not known"),
        ("a: !!set {x}", "is not known"),
        ("a: !mine [1]", "the tag '!mine' is not known"),
    ],
)
def test_bad_scalars_and_tags(text: str, says: str) -> None:
    error = failure(lambda: read(f"\n{text}"))
    assert says in str(error)
    assert str(error).startswith("a.yaml:2 (a): ")


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(st.text(), json_like, max_size=4))
def test_written_data_reads_back(data: dict[str, Any]) -> None:
    # JSON text is YAML too, save for characters that YAML wants escaped.
    text = json.dumps(data, ensure_ascii=False)
    escaped = re.sub(
        "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", lambda c: f"\\u{ord(c[0]):04x}", text
    )
    assert read(escaped) == data
    assert plain(read_json(json.dumps(data), "a.json")) == data


@given(st.dictionaries(st.text("abcyn", min_size=1), json_like, max_size=4))
def test_dumped_yaml_reads_back(data: dict[str, Any]) -> None:
    class Quoting(yaml.SafeDumper):
        """Quotes strings that only YAML 1.2 takes for numbers, such as 1e6."""

    def quoted(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')

    Quoting.add_representer(str, quoted)
    text = yaml.dump(data, Dumper=Quoting)
    assert read(text) == data


# Marks


def test_locations(write: Write) -> None:
    path = write(
        "chip.yaml",
        "# a comment\nchip:\n  tile:\n    adc: {rate: 1}\nlayers:\n- kernel: 3\n-\n  kernel: 5\n"
        '"x.y": 1\n',
    )
    document = load_document(str(path))
    assert document.path == path
    assert document.data["layers"] == [{"kernel": 3}, {"kernel": 5}]

    def at(*key_path: str | int) -> tuple[int | None, str | None]:
        where = document.location(key_path)
        assert where.file == str(path)
        return where.line, where.key

    assert at("chip") == (2, "chip")
    assert at("chip", "tile", "adc", "rate") == (4, "chip.tile.adc.rate")
    assert at("layers", 0, "kernel") == (6, "layers[0].kernel")
    assert at("layers", 1, "kernel") == (8, "layers[1].kernel")
    assert at("x.y") == (9, '["x.y"]')
    assert at("chip", "tile", "dac", "bits") == (3, "chip.tile.dac.bits")
    assert at("layers", 7) == (5, "layers[7]")
    assert at("chip", 0) == (2, "chip[0]")
    assert at() == (2, None)


def test_json_locations_have_no_line(write: Write) -> None:
    document = load_document(write("a.json", '{"layers": [{"kernel": 3}]}'))
    where = document.location(("layers", 0, "kernel"))
    assert (where.line, where.key) == (None, "layers[0].kernel")


# Keys, anchors and merge keys


def test_duplicate_keys_name_both_lines() -> None:
    error = failure(lambda: read("a:\n  b: 1\n  c: 2\n  b: 3\n"))
    assert "the key 'b' is written twice, on line 2 and line 4" in str(error)
    assert str(error).startswith("a.yaml:4 (a.b): ")


@pytest.mark.parametrize("key", ["1", "1.5", "true", "~", "[x]", "{x: 1}"])
def test_keys_are_strings(key: str) -> None:
    error = failure(lambda: read(f"a:\n  {key}: 1"))
    assert "key" in str(error)
    assert error.where is not None
    assert error.where.line == 2


def test_quoted_and_yaml_11_keys() -> None:
    assert read('"1": a\non: b\n"<<": c') == {"1": "a", "on": "b", "<<": "c"}


def test_anchors_and_merge_keys() -> None:
    data = read(
        "base: &b {x: 1, y: {z: 1}}\nmore: &m {x: 2, w: 4}\nlist: &l [1]\n"
        "one:\n  <<: *b\n  x: 9\ntwo:\n  <<: [*b, *m]\nthree: *l\n"
    )
    assert data["one"] == {"x": 9, "y": {"z": 1}}
    assert data["two"] == {"x": 1, "y": {"z": 1}, "w": 4}
    assert data["three"] == [1]
    data["three"].append(2)
    assert data["list"] == [1]


def test_a_merged_key_stands_where_it_is_written() -> None:
    root = read_yaml("base: &b\n  x: 1\none:\n  <<: *b\n", "a.yaml").value
    assert isinstance(root, dict)
    one = root["one"].value
    assert isinstance(one, dict)
    assert one["x"].line == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a:\n  <<: 3", "takes a mapping"),
        ("a:\n  <<: [{x: 1}, 3]", "takes a mapping"),
        ("a: *b", "the alias '*b' has no anchor before it"),
        ("a: *b\nc: &b 1", "no anchor before it"),
        ("a: &x [*x]", "contains itself"),
        ("a: &x {b: *x}", "contains itself"),
        ("a: &x {<<: *x}", "contains itself"),
        ("a: &x {<<: {}, <<: {}}", "twice"),
    ],
)
def test_bad_aliases_and_merges(text: str, says: str) -> None:
    error = failure(lambda: read(text))
    assert says in str(error)
    assert error.where is not None
    assert error.where.line is not None


# Bombs


def laughs(first: str, line: str) -> str:
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{i}: &a{i} {line.format(f'*a{i - 1}')}" for i in range(1, 30)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested more than"),
        ("a: " + "{b: " * 5000, "nested more than"),
        ("- " * 5000 + "x", "nested more than"),
        ("a: 1\nb: " + "[" * 101 + "]" * 101, "a.yaml:2: lists and mappings are nested more than"),
        ("".join(" " * i + f"a{i}:\n" for i in range(2000)), "nested more than"),
        ("? " * 3000, "nested more than"),
        (laughs("[x, x]", "[{0}, {0}]"), "aliases expand"),
        (laughs("{k: v}", "{{<<: [{0}, {0}]}}"), "aliases expand"),
        (f"a: &a {'x' * 600_000}\nb: [*a, *a]", "aliases expand"),
        ("\n".join(f"a{i}: &a{i} [{f'*a{i - 1}' if i else ''}]" for i in range(5000)), "nested"),
        (
            "\n".join(f"a{i}: &a{i} {{{f'<<: *a{i - 1}' if i else ''}}}" for i in range(5000)),
            "nested",
        ),
    ],
)
def test_bombs_are_input_errors(text: str, says: str) -> None:
    error = failure(lambda: read(text))
    assert says in str(error)
    assert len(str(error)) < 1000


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 101 + "]" * 101])
def test_deep_json_is_an_input_error(text: str) -> None:
    assert "nested more than" in str(failure(lambda: read_json(text, "a.json")))


def test_depth_that_is_allowed() -> None:
    text = "[" * 100 + "]" * 100
    assert plain(read_json(text, "a.json")) == read(text)


def test_a_fault_after_many_brackets_is_that_fault() -> None:
    """Brackets in a string nest nothing, however PyYAML comes to its error."""
    error = failure(lambda: read("x: '" + "[" * 2000 + "'\ny: @"))
    assert "not valid YAML at column 4" in str(error)
    assert error.where is not None and error.where.line == 2


# Syntax


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [1, 2\n", 3),
        ("a: 1\n b: 2\n", 2),
        ("a:\n\t- 1\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: 1\nb: \x07\n", 2),
        ('a: "\\q"\n', 1),
        ("a: 1\nb: @c\n", 2),
    ],
)
def test_yaml_syntax_errors_have_a_line(text: str, line: int) -> None:
    error = failure(lambda: read(text))
    assert error.where is not None
    assert (error.where.file, error.where.line) == ("a.yaml", line)


@pytest.mark.parametrize("text", ['"\\U00110000"', '"\\ud800"', "--- !<x", "%YAML 9.9\n---\na"])
def test_odd_yaml_never_crashes(text: str) -> None:
    assert "a.yaml" in str(failure(lambda: read(text)))


@given(st.text("ab:-[]{}&*!|>'\"#%@ \n\t0.<?,~\\", max_size=40))
def test_any_text_reads_or_is_an_input_error(text: str) -> None:
    for reader in (read_yaml, read_json):
        try:
            plain(reader(text, "a"))
        except InputError as error:
            assert str(error).startswith("a")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{\n "a": [1,\n', "a.json:3: not valid JSON at column 1: "),
        ('{\n "a" 1}', "a.json:2: not valid JSON at column 6: "),
        ('{"a": 1} x', "a.json:1: not valid JSON at column 10: "),
        ('{"a": {"b": 1, "b": 2}}', "the key 'b' is written twice"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ('{"a": 1e999}', "out of range"),
        (f'{{"a": {"9" * 5000}}}', "out of range"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ("  ", "holds no data"),
    ],
)
def test_bad_json(text: str, says: str) -> None:
    assert says in str(failure(lambda: read_json(text, "a.json")))


def test_cut_short_json_says_so() -> None:
    assert "cut short" in str(failure(lambda: read_json('{"a": [1, 2', "a.json")))


# Files


def test_missing_file_suggests_the_nearest(write: Write) -> None:
    path = write("chip.yaml", "a: 1")
    error = failure(lambda: load_document(path.with_name("chp.yml")))
    assert "there is no such file" in str(error)
    assert "Did you mean 'chip.yaml'?" in str(error)
    assert error.where is not None
    assert error.where.file == str(path.with_name("chp.yml"))


def test_missing_file_in_odd_directories(write: Write, tmp_path: Path) -> None:
    path = write("chip.yaml", "a: 1")
    missing = failure(lambda: load_document(tmp_path / "none" / "a.yaml"))
    assert "does not exist" in str(missing)
    assert "no such file" in str(failure(lambda: load_document(path / "a.yaml")))
    (tmp_path / "empty").mkdir()
    assert "holds no .yaml" in str(failure(lambda: load_document(tmp_path / "empty" / "a.yaml")))
    for index in range(20):
        write(f"many/{index}.yaml", "a: 1")
    assert "17.yaml" not in str(failure(lambda: load_document(tmp_path / "many" / "zzzzzz")))


def test_unreadable_paths(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("a.yaml", "a: 1")
    assert "is a directory" in str(failure(lambda: load_document(tmp_path)))
    assert "'.toml' is not known" in str(failure(lambda: load_document(write("a.toml", "a = 1"))))
    assert "is empty" in str(failure(lambda: load_document(write("b.yaml", " \n"))))
    assert "holds no data" in str(failure(lambda: load_document(write("c.yaml", "# only\n"))))
    assert "cannot be read" in str(failure(lambda: load_document("a\0b.yaml")))
    assert "cannot be read" in str(failure(lambda: load_document("a" * 5000 + ".yaml")))
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "not a regular file" in str(failure(lambda: load_document(tmp_path / "pipe.yaml")))
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    assert "cannot be read" in str(failure(lambda: load_document(tmp_path / "loop.yaml")))

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "no permission" in str(failure(lambda: load_document(path)))


def test_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    error = failure(lambda: load_document(path))
    assert "not UTF-8 text: byte 0xff" in str(error)
    assert str(error).startswith(f"{path}:2: ")


def test_byte_order_mark_and_suffixes(tmp_path: Path) -> None:
    for name in ("a.yaml", "a.yml", "a.YAML", "a.json"):
        path = tmp_path / name
        path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
        assert load_document(path).data == {"a": 1}


# Includes


def test_includes_merge_and_keep_their_marks(write: Write) -> None:
    first = write("lib/first.yaml", "chip:\n  a: 1\n  b: {x: 1, y: 2}\n  gone: 1\n  list: [1, 2]\n")
    second = write("lib/second.json", '{"chip": {"a": 2}, "extra": 1, "odd": {"k": 1}}')
    main = write(
        "main.yaml",
        "include: [lib/first.yaml, lib/second.json]\n"
        "chip:\n  b: {y: 3}\n  gone: null\n  never: ~\n  list: [3]\nodd: 4\nnew: {deep: null}\n",
    )
    document = load_document(main)
    assert document.data == {
        "chip": {"a": 2, "b": {"x": 1, "y": 3}, "list": [3]},
        "extra": 1,
        "odd": 4,
        "new": {},
    }
    assert str(document.location(("chip", "b", "x"))) == f"{first}:3 (chip.b.x)"
    assert str(document.location(("chip", "b", "y"))) == f"{main}:3 (chip.b.y)"
    assert str(document.location(("chip", "a"))) == f"{second} (chip.a)"


def test_nested_includes_are_relative_to_their_file(write: Write) -> None:
    write("a/b/deep.yaml", "x: 1\ny: 1\nz: ~\n")
    write("a/mid.yaml", "include: b/deep.yaml\ny: 2\n")
    main = write("main.json", '{"include": "a/mid.yaml"}')
    assert load_document(main).data == {"x": 1, "y": 2, "z": None}


def test_the_same_file_may_be_included_twice(write: Write) -> None:
    write("base.yaml", "x: 1\n")
    for index in range(40):
        below = f"l{index - 1}.yaml" if index else "base.yaml"
        write(f"l{index}.yaml", f"include: [{below}, {below}]\n")
    main = write("main.yaml", "include: [l39.yaml, base.yaml]\n")
    assert load_document(main).data == {"x": 1}


def test_include_cycle_is_named(write: Write) -> None:
    main = write("a.yaml", "include: b.yaml\n")
    write("b.yaml", "x: 1\ninclude: c.yaml\n")
    write("c.yaml", "include: a.yaml\n")
    error = failure(lambda: load_document(main))
    assert re.search(
        r"include cycle: \S*a\.yaml -> \S*b\.yaml -> \S*c\.yaml -> \S*a\.yaml", str(error)
    )
    assert error.where is not None
    assert error.where.file == str(main.with_name("c.yaml"))
    own = write("self.yaml", "include: ./self.yaml\n")
    assert "include cycle" in str(failure(lambda: load_document(own)))


def test_include_chain_has_a_limit(write: Write) -> None:
    for index in range(80):
        write(f"n{index}.yaml", f"include: n{index + 1}.yaml\n")
    main = write("main.yaml", "include: n0.yaml\n")
    assert "files deep" in str(failure(lambda: load_document(main)))


@pytest.mark.parametrize(
    ("include", "says", "key"),
    [
        ("bse.yaml", "Did you mean 'base.yaml'?", "include"),
        ("[base.yaml, bse.yaml]", "Did you mean 'base.yaml'?", "include[1]"),
        ("sub", "is a directory", "include"),
        ("list.yaml", "is not a mapping", "include"),
        ("3", "takes one path", "include"),
        ("~", "takes one path", "include"),
        ("[base.yaml, {}]", "takes one path", "include[1]"),
        ('"a\\0"', "cannot be read", "include"),
    ],
)
def test_bad_includes_are_located(write: Write, include: str, says: str, key: str) -> None:
    write("base.yaml", "x: 1")
    write("sub/x.yaml", "x: 1")
    write("list.yaml", "- 1")
    main = write("main.yaml", f"x: 1\ninclude: {include}\n")
    error = failure(lambda: load_document(main))
    assert says in str(error)
    assert str(error).startswith(f"{main}:2 ({key}): ")


def test_an_empty_include_list_is_nothing(write: Write) -> None:
    assert load_document(write("a.yaml", "include: []\nx: ~\n")).data == {"x": None}


# Validation


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Adc(Strict):
    kind: Literal["adc"]
    rate: float = Field(description="Sample rate in samples/s.", examples=["1.28 GS/s"])
    mode: Mode = Mode.FAST


class Dac(Strict):
    kind: Literal["dac"]
    bits: int = 8

    @field_validator("bits")
    @classmethod
    def even(cls, bits: int) -> int:
        if bits % 2:
            raise ValueError("must be even")
        return bits


class Window(Strict):
    """A sliding window."""

    width: int


class Chip(Strict):
    parts: list[Annotated[Adc | Dac, Field(discriminator="kind")]] = []
    named: dict[str, Annotated[Adc | Dac, Field(discriminator="kind")]] = {}
    by_id: dict[int, Window] = {}
    window: int | Window | None = None
    plain: int | str = 0
    pair: tuple[int, Window] | None = None
    child: Chip | None = None
    level: Literal["low", "high"] = "low"
    alias: int = Field(default=0, alias="other-name")

    @model_validator(mode="after")
    def few(self) -> Chip:
        if len(self.parts) > 9:
            raise ValueError("has more than 9 parts")
        return self


class Root(Strict):
    chip: Chip
    window: Window | None = None


def invalid(write: Write, text: str, model: type[BaseModel] = Root) -> tuple[str, InputError]:
    path = write("c.yaml", text)
    error = failure(lambda: validate(model, load_document(path)))
    message = str(error).replace(str(path), "c.yaml")
    assert "pydantic" not in message
    assert "input_value" not in message
    assert "[type=" not in message
    return message, error


def test_valid_data_gives_the_model(write: Write) -> None:
    path = write("c.yaml", "chip:\n  parts:\n  - {kind: adc, rate: 1e6}\n  window: {width: 3}\n")
    root = validate(Root, load_document(path))
    assert root.chip.parts == [Adc(kind="adc", rate=1e6)]
    assert root.chip.window == Window(width=3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "chip:\n  parts:\n  - kind: adc\n    rate: 1\n    mod: fast",
            "c.yaml:5 (chip.parts[0].mod): 'mod' is not known here. Did you mean 'mode'?",
        ),
        (
            "chip:\n  named:\n    dac:\n      kind: dac\n      bit: 3",
            "c.yaml:5 (chip.named.dac.bit): 'bit' is not known here. Did you mean 'bits'?",
        ),
        (
            "chip:\n  child:\n    child:\n      windw: 3",
            "c.yaml:4 (chip.child.child.windw): 'windw' is not known here. Did you mean 'window'?",
        ),
        (
            "chip:\n  alias: 3",
            (
                "c.yaml:2 (chip.alias): 'alias' is not known here. Valid here: by_id, child, "
                "level, named, other-name, pair, parts, plain, window."
            ),
        ),
        (
            "chip:\n  parts:\n  - kind: adc\n",
            (
                "c.yaml:3 (chip.parts[0].rate): the field 'rate' is missing. Add 'rate': a number, "
                "Sample rate in samples/s, for example '1.28 GS/s'."
            ),
        ),
        ("window: {width: 3}", "c.yaml:1 (chip): the field 'chip' is missing. Add 'chip': a map"),
        (
            "chip:\n  by_id: {3: {}}".replace("3", '"3"'),
            "c.yaml:2 (chip.by_id.3.width): the field 'width' is missing. Add 'width': an integer",
        ),
        (
            "chip:\n  parts:\n  - kind: adcc\n    rate: 1",
            "c.yaml:3 (chip.parts[0].kind): 'adcc' is not valid here. Did you mean 'adc'?",
        ),
        (
            "chip:\n  parts:\n  - rate: 1",
            (
                "c.yaml:3 (chip.parts[0].kind): the field 'kind', which chooses the type, is "
                "missing. Valid here: adc, dac."
            ),
        ),
        (
            "chip:\n  parts:\n  - {kind: adc, rate: 1, mode: fats}",
            "c.yaml:3 (chip.parts[0].mode): 'fats' is not valid here. Did you mean 'fast'?",
        ),
        (
            "chip:\n  parts:\n  - {kind: adc, rate: 1, mode: FAST}",
            "c.yaml:3 (chip.parts[0].mode): 'FAST' is not valid here. Did you mean 'fast'?",
        ),
        ("chip:\n  level: 3", "c.yaml:2 (chip.level): 3 is not valid here. Valid here: high, low."),
        (
            "chip:\n  parts:\n  - kind: dac\n    bits: 3",
            "c.yaml:4 (chip.parts[0].bits): must be even.",
        ),
        (
            "chip:\n  window:\n    width: wide",
            "c.yaml:3 (chip.window.width): must be a whole number, found 'wide'.",
        ),
        ("chip:\n  pair: [1, {width: x}]", "c.yaml:2 (chip.pair[1].width): must be a whole number"),
        ("chip:\n  by_id: {x: {width: 1}}", "c.yaml:2 (chip.by_id.x): must be a whole number"),
        (
            "chip:\n  plain: []",
            (
                "c.yaml:2 (chip.plain): must be a whole number, found a list; or must be "
                "text, found a list."
            ),
        ),
        (
            "chip: 3\n",
            (
                "c.yaml:1 (chip): must be a mapping, found 3. Write `key: value` lines; valid "
                "keys: parts, named, by_id,"
            ),
        ),
        ("- 1\n", "c.yaml:1: must be a mapping, found a list. Write `key: value` lines"),
        (
            "chip:\n  parts: [" + "{kind: dac}, " * 10 + "]",
            "c.yaml:1 (chip): has more than 9 parts.",
        ),
    ],
)
def test_one_fault(write: Write, text: str, says: str) -> None:
    message, error = invalid(write, text)
    assert says in message
    assert message.count("c.yaml:") == 1
    assert error.where is not None


def test_several_faults_each_with_its_place(write: Write) -> None:
    extra = "".join(f"x{index}: 1\n" for index in range(7))
    message, error = invalid(write, f"chip: {{level: hgh}}\n{extra}")
    lines = message.splitlines()
    assert lines[0] == "c.yaml:1 (chip.level): 'hgh' is not valid here. Did you mean 'high'?"
    assert lines[1] == "c.yaml:2 (x0): 'x0' is not known here. Valid here: chip, window."
    assert len(lines) == 6
    assert lines[5] == "There are 3 more errors."
    assert error.where is not None
    assert error.where.key == "chip.level"


def test_faults_stand_in_the_included_file(write: Write) -> None:
    base = write("base.yaml", "\nchip:\n  levl: low\n")
    path = write("main.yaml", "include: base.yaml\nwindow: {width: 1}\n")
    error = failure(lambda: validate(Root, load_document(path)))
    assert str(error).startswith(f"{base}:3 (chip.levl): ")


def test_faults_in_json_name_file_and_key(write: Write) -> None:
    path = write("a.json", '{"chip": {"parts": [{"kind": "adc", "rate": "x"}]}}')
    error = failure(lambda: validate(Root, load_document(path)))
    assert str(error).startswith(f"{path} (chip.parts[0].rate): must be a number")


def test_long_values_are_cut(write: Write) -> None:
    message, _ = invalid(write, f"chip:\n  level: {'x' * 5000}")
    assert len(message) < 300


@given(st.dictionaries(st.sampled_from(["chip", "window", "x"]), json_like))
def test_any_data_validates_or_is_one_input_error(data: dict[str, Any]) -> None:
    from archsim.documents import Document

    root = read_json(json.dumps(data), "a.json")
    try:
        validate(Root, Document(Path("a.json"), plain(root), root))
    except InputError as error:
        assert str(error).startswith("a.json")
