"""What programming a cell takes, by technology: a voltage, a current, a time."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

from archsim.cost_models.base import CostModel, Price, Structure, Technology


class _Pulse(NamedTuple):
    volts: float
    amperes: float
    seconds: float
    source: str


PULSES = {
    "RRAM": _Pulse(2.0, 50e-6, 10e-9, "assumption: 2 V, 50 uA, 10 ns"),
    "PCM": _Pulse(2.0, 300e-6, 100e-9, "assumption: 2 V, 300 uA, 100 ns of a reset"),
    "STT-MRAM": _Pulse(0.9, 100e-6, 20e-9, "assumption: 100 uA, 20 ns"),
    "SOT-MRAM": _Pulse(0.5, 100e-6, 2e-9, "below 100 fJ: imec, by HardwareBee, December 18, 2023"),
    "SAS-MRAM": _Pulse(0.68, 100e-6, 2e-9, "assumption: a SOT line and a fifth of an STT current"),
    "SRAM": _Pulse(0.9, 0.0, 1e-9, "assumption: 2 fF of bitlines and cell"),
    "FeFET": _Pulse(3.0, 0.0, 50e-9, "assumption: 1 fF of gate at 3 V"),
}
CHARGED = {"SRAM": 2e-15, "FeFET": 1e-15}  # F; these cells take charge and no current


class WritePulse(CostModel):
    """V I t of one pulse on one cell, or C V^2 where no current flows."""

    model: Literal["write_pulse"]
    cell: Literal["RRAM", "PCM", "STT-MRAM", "SOT-MRAM", "SAS-MRAM", "SRAM", "FeFET"]

    source: ClassVar[str] = "V I t or C V^2: " + "; ".join(
        f"{name}: {pulse.source}" for name, pulse in PULSES.items()
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"write_driver"})
    fills: ClassVar[frozenset[str]] = frozenset({"pulse"})

    def price(self, part: Structure, at: Technology) -> Price:
        pulse = PULSES[self.cell]
        charge = CHARGED.get(self.cell)
        seconds = part.get("pulse") or pulse.seconds
        energy = pulse.volts * (pulse.amperes * seconds if charge is None else charge * pulse.volts)
        return Price({"pulse": energy}, fields={"pulse": pulse.seconds})
