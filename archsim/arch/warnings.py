"""What of a valid architecture is probably not meant."""

from __future__ import annotations

from archsim.arch.column_sum import bits_needed, column_sum
from archsim.arch.model import Architecture
from archsim.arch.pe import AnalogRoles, roles
from archsim.arch.pricing import contradictions


def arch_warnings(arch: Architecture) -> list[str]:
    """A sentence for each: an ADC that is too coarse, typed costs far from their model's."""
    pe = roles(arch.chip.tile.pe)
    coarse = _coarse(pe) if isinstance(pe, AnalogRoles) else []
    return coarse + contradictions(arch)


def _coarse(pe: AnalogRoles) -> list[str]:
    needed, bits = bits_needed(pe), pe.adc.resolution
    if bits >= needed:
        return []
    array = pe.array
    text = (
        f"chip.tile.pe.{pe.names['adc']}.resolution is {bits} b, and a column of {array.rows} rows "
        f"of {array.bits_per_cell}-bit cells with {pe.dac.resolution}-bit inputs sums to "
        f"{column_sum(pe):,}, which takes {needed} b"
    )
    return [f"{text}: what lies below or above is lost, and no time or energy shows it."]
