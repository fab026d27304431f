"""Quantities: what parses, what is refused and how, and the pydantic field types."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from archsim.schema import units
from archsim.schema.units import format_quantity, parse


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1.2 GHz", "Hz", 1.2e9),
        ("128ns", "s", 1.28e-7),
        ("1e3 ns", "s", 1e-6),
        (".5 V", "V", 0.5),
        ("3 fJ", "J", 3e-15),
        ("2 pJ", "J", 2e-12),
        ("2 uW", "W", 2e-6),
        ("2 \u00b5W", "W", 2e-6),
        ("2 \u03bcW", "W", 2e-6),
        ("2 mV", "V", 2e-3),
        ("2 kHz", "Hz", 2e3),
        ("2 MHz", "Hz", 2e6),
        ("2 Tb/s", "b/s", 2e12),
        ("45 nm", "m", 45e-9),
        ("5 um2", "mm2", 5e-6),
        ("1 m2", "mm2", 1e6),
        ("1 mm\u00b2", "mm2", 1.0),
        ("1.5 pJ/b", "J/b", 1.5e-12),
        ("8 pJ/B", "J/b", 1e-12),
        ("20 uS", "S", 2e-5),
        ("4 kohm", "ohm", 4e3),
        ("4 k\u03a9", "ohm", 4e3),
        ("2 V*A", "W", 2.0),
        ("1 W*s", "J", 1.0),
        ("4 Top/s", "op/s", 4e12),
        ("-1 V", "V", -1.0),
        ("1e-999999999 s", "s", 0.0),
    ],
)
def test_parse(text: str, unit: str, value: float) -> None:
    assert parse(text, unit) == value


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("1 B", 8),
        ("1 KB", 8 * 1024),
        ("1 kB", 8 * 1024),
        ("1 Kb", 1024),
        ("2 MB", 2 * 8 * 1024**2),
        ("1 GB", 8 * 1024**3),
        ("1 TB", 8 * 1024**4),
        ("1 KiB", 8 * 1024),
        ("8 bit", 8),
    ],
)
def test_sizes_are_powers_of_two(text: str, bits: int) -> None:
    assert parse(text, "b") == bits


@pytest.mark.parametrize(
    ("text", "rate"),
    [("6.4 GB/s", 51.2e9), ("6.4 Gb/s", 6.4e9), ("1 KB/s", 8e3), ("1 KiB/s", 8192)],
)
def test_rates_are_decimal(text: str, rate: float) -> None:
    assert parse(text, "b/s") == rate


def test_a_sample_is_not_a_siemens() -> None:
    assert parse("1.28 GS/s", "S/s") == 1.28e9
    assert parse("1.28 GSa/s", "S/s") == parse("1.28 GS/s", "Sa/s") == 1.28e9
    assert parse("5 uS", "S") == 5e-6
    with pytest.raises(ValueError, match="is not a conductance"):
        parse("1 S/s", "S")


@pytest.mark.parametrize(
    ("text", "unit", "says"),
    [
        ("3 ns", "Hz", "'3 ns' is a duration, not a frequency; write a frequency like '1.2 GHz'."),
        ("1 J*J", "s", "'1 J*J' is not a duration; write a duration like '10 ns'."),
        ("1.2 Ghz", "Hz", "(did you mean 'GHz'?)"),
        ("1 KHz", "Hz", "(did you mean 'kHz'?)"),
        ("1 pj", "J", "(did you mean 'pJ'?)"),
        ("1 PJ", "J", "(did you mean 'pJ'?)"),
        ("1 MHZ", "Hz", "(did you mean 'MHz'?)"),
        ("1 Gbps", "b/s", "(did you mean 'Gb/s'?)"),
        ("1 pJ/bt", "J/b", "'bt' is not a known unit"),
        ("1 parsec", "m", "'parsec' is not a known unit"),
        ("1 flit", "b", "'flit' is not a known unit"),
        ("1.2", "Hz", "'1.2' has no unit; write a frequency like '1.2 GHz'."),
        ("inf Hz", "Hz", "is not a finite number"),
        ("nan s", "s", "is not a finite number"),
        ("1e999 Hz", "Hz", "is not a finite number"),
        ("1e308 GHz", "Hz", "is too large"),
        ("", "Hz", "is not a number with a unit"),
        ("fast", "Hz", "is not a number with a unit"),
        ("1,2 GHz", "Hz", "is not a known unit"),
        ("1" * 10_000, "Hz", "is not a number with a unit"),
        ("1 GHz/", "Hz", "is not a known unit"),
    ],
)
def test_parse_refuses(text: str, unit: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text, unit)
    message = str(caught.value)
    assert says in message
    assert "like '" in message
    assert len(message) < 300


@given(st.text(max_size=30), st.sampled_from(["Hz", "b", "S/s", "mm2", "J/b"]))
def test_any_text_parses_or_is_a_value_error(text: str, unit: str) -> None:
    for candidate in (text, f"1 {text}"):
        try:
            assert isinstance(parse(candidate, unit), float)
        except ValueError as refused:
            assert "like '" in str(refused)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (4.2e-8, "s", "42 ns"),
        (0, "J", "0 J"),
        (-0.0, "J", "0 J"),
        (999.96, "Hz", "1 kHz"),
        (1.2345678e9, "Hz", "1.235 GHz"),
        (8192, "b", "8 Kb"),
        (1023.99, "b", "1 Kb"),
        (51.2e9, "b/s", "51.2 Gb/s"),
        (1.28e9, "S/s", "1.28 GS/s"),
        (0.05, "mm2", "0.05 mm2"),
        (-3e-12, "J/b", "-3 pJ/b"),
        (1e30, "W", "1e+18 TW"),
        (1e-30, "W", "1e-15 fW"),
        (float("inf"), "s", "inf s"),
    ],
)
def test_format_quantity(value: float, unit: str, text: str) -> None:
    assert format_quantity(value, unit) == text


@given(
    st.floats(1e-30, 1e30) | st.just(0.0) | st.floats(-1e30, -1e-30),
    st.sampled_from(["s", "Hz", "W", "J", "m", "V", "S", "b", "b/s", "J/b", "S/s", "mm2", "op"]),
)
def test_format_then_parse_is_the_value(value: float, unit: str) -> None:
    assert parse(format_quantity(value, unit), unit) == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (units.Frequency, "1.2 GHz", 1.2e9),
        (units.Duration, "10 ns", 1e-8),
        (units.Power, "3 mW", 3e-3),
        (units.Energy, "2 pJ", 2e-12),
        (units.EnergyPerBit, "1.5 pJ/b", 1.5e-12),
        (units.Area, "500 um2", 5e-4),
        (units.Length, "45 nm", 45e-9),
        (units.Voltage, "900 mV", 0.9),
        (units.Conductance, "50 uS", 5e-5),
        (units.Capacity, "64 KB", 64 * 1024 * 8.0),
        (units.DataRate, "6.4 GB/s", 51.2e9),
        (units.SampleRate, "1.28 GS/s", 1.28e9),
    ],
)
def test_quantity_types(kind: Any, text: str, value: float) -> None:
    adapter: TypeAdapter[float] = TypeAdapter(kind)
    assert adapter.validate_python(text) == value
    number, unit = text.split()
    assert adapter.validate_python(f"0 {unit}") == 0
    for wrong, says in [
        (f"-{text}", "must not be less than 0"),
        (float(number), "has no unit"),
        (3, "has no unit"),
        (float("nan"), "is not a finite number"),
        (True, "must be text with a unit, such as"),
        (["1"], "must be text with a unit, such as"),
        (None, "must be text with a unit, such as"),
    ]:
        with pytest.raises(ValidationError, match=says):
            adapter.validate_python(wrong)
    schema = adapter.json_schema()
    assert schema["type"] == "string"
    assert adapter.validate_python(schema["examples"][0]) > 0
    assert "with its unit, read in" in schema["description"]
    positive: TypeAdapter[float] = TypeAdapter(Annotated[kind, units.POSITIVE])
    assert positive.validate_python(text) == value
    assert positive.json_schema() == schema
    with pytest.raises(ValidationError, match="must be more than 0"):
        positive.validate_python(f"0 {unit}")


def test_capacity_is_whole_bits() -> None:
    adapter: TypeAdapter[float] = TypeAdapter(units.Capacity)
    assert adapter.validate_python("0.5 KB") == 4096
    with pytest.raises(ValidationError, match="not a whole number of bits"):
        adapter.validate_python("1.5 b")


def test_bits() -> None:
    adapter: TypeAdapter[int] = TypeAdapter(units.Bits)
    for given_value, bits in [("8 b", 8), (8, 8), (1, 1), ("2 B", 16), ("32 b", 32)]:
        value = adapter.validate_python(given_value)
        assert value == bits
        assert isinstance(value, int)
    for wrong in (0, 33, "0 b", "1 Kb", -1, "-1 b", 1.5, "1.5 b", True, "8", "8 ns", None):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)
    assert adapter.json_schema()["examples"] == [8, "8 b"]


def test_count() -> None:
    adapter: TypeAdapter[int] = TypeAdapter(units.Count)
    assert adapter.validate_python(3) == 3
    for wrong in (0, -1):
        with pytest.raises(ValidationError, match="must be 1 or more"):
            adapter.validate_python(wrong)
    for other in (1.0, 2.5, True, "3", None):
        with pytest.raises(ValidationError, match="must be a whole number, such as 4"):
            adapter.validate_python(other)


def test_shape() -> None:
    adapter: TypeAdapter[tuple[int, int]] = TypeAdapter(units.Shape2D)
    for given_value in ("128 x 64", "128x64", "128 X 64", "128 \u00d7 64", [128, 64], (128, 64)):
        assert adapter.validate_python(given_value) == (128, 64)
    for wrong in ("128", "1 x 2 x 3", "a x b", "-1 x 2", [1], [1, 2, 3], 128, None):
        with pytest.raises(ValidationError, match="must be two sides"):
            adapter.validate_python(wrong)
    for wrong in ("0 x 4", [0, 4], [4, -1]):
        with pytest.raises(ValidationError, match="must be 1 or more"):
            adapter.validate_python(wrong)
    for uneven in ([1.5, 2], [True, 2]):
        with pytest.raises(ValidationError, match="must be a whole number"):
            adapter.validate_python(uneven)


def test_types_in_a_model() -> None:
    class Adc(BaseModel):
        rate: units.SampleRate
        clock: Annotated[units.Frequency, units.POSITIVE] | None = None

    assert Adc.model_validate({"rate": "1 GS/s", "clock": None}).rate == 1e9
    with pytest.raises(ValidationError, match="is a frequency, not a sample rate"):
        Adc.model_validate({"rate": "1 GHz"})


def test_importing_does_not_import_pint() -> None:
    code = "import sys, archsim.schema.units; print('pint' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
