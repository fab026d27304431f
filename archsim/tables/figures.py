"""How each kind of figure is written; every table takes its text from here."""

from __future__ import annotations

from collections.abc import Sequence

from archsim.schema.units import format_quantity

_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def seconds(value: float) -> str:
    """A time in seconds, such as `504.6 us`."""
    return format_quantity(value, "s")


def joules(value: float) -> str:
    """An energy in joules, such as `12.12 mJ`."""
    return format_quantity(value, "J")


def watts(value: float) -> str:
    """A power in watts, such as `24.02 W`."""
    return format_quantity(value, "W")


def area(value: float) -> str:
    """An area in mm2."""
    return format_quantity(value, "mm2")


def count(value: int) -> str:
    """A whole number with separators, such as `15,252`."""
    return f"{value:,}"


def magnitude(value: float, unit: str) -> str:
    """A count with a decimal prefix and 4 significant digits, such as `1.814 GMACs`."""
    for scale, prefix in _STEPS:
        if float(f"{value:.4g}") >= scale:
            return f"{value / scale:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def percent(value: float) -> str:
    """A share of 1 as per cent, such as `18.9 %`."""
    return f"{100 * value:.1f} %"


def tops(value: float) -> str:
    """Tera-operations per second."""
    return f"{value:.4g} TOPS"


def tops_per_watt(value: float) -> str:
    """Tera-operations per joule."""
    return f"{value:.4g} TOPS/W"


def rate(value: float) -> str:
    """Inferences per second."""
    return f"{value:,.1f} inf/s" if value >= 100 else f"{value:.4g} inf/s"


def shape(value: Sequence[int]) -> str:
    """A tensor's shape, such as `56 x 56 x 64`."""
    return " x ".join(map(str, value))


def bar(share: float, largest: float, width: int = 20) -> str:
    """A bar of up to `width` blocks for a share, as long as the width for the largest one."""
    return "█" * round(width * share / largest) if largest > 0 else ""
