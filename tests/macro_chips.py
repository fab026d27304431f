"""The teaching chip with digital macros in place of its crossbars."""

from __future__ import annotations

import copy
from typing import Any

from test_teaching import CHIP, VECTOR_UNIT

from archsim.arch.model import Architecture
from archsim.documents import load_document

SAS: dict[str, Any] = {
    "kind": "sas_mram_macro",
    "size": "4 x 4",
    "format": "int8",
    "clock": "1 GHz",
    "drain": 2,
    "cell_energy": "1 fJ",
    "tree_energy": "10 fJ",
    "accumulate_energy": "100 fJ",
    "sense_energy": "2 fJ",
    "align_energy": "30 fJ",
    "normalise_energy": "40 fJ",
    "sot_pulse": "8 ns",
    "sot_energy": "5 fJ",
    "stt_pulse": "10 ns",
    "stt_energy": "2 fJ",
    "endurance": 1000,
}
SRAM: dict[str, Any] = {
    **{k: v for k, v in SAS.items() if k[:4] not in ("sot_", "stt_", "endu")},
    "kind": "sram_macro",
    "write_energy": "3 fJ",
}
FP8: dict[str, Any] = {
    "size": "4 x 16",
    "format": "fp8_e4m3",
    "guard_bits": 4,
    "align_cycles": 2,
    "drain": 3,
}


def macro_chip(base: dict[str, Any] = SAS, *, bits: int = 2, **fields: Any) -> Architecture:
    """Two PEs of one macro each; fields: those of the macro; bits: native precision."""
    data: dict[str, Any] = copy.deepcopy(load_document(CHIP).data)
    pe = data["chip"]["tile"]["pe"]
    for name in ("array", "dac", "sample_hold", "adc", "shift_add"):
        del pe[name]
    pe["macro"] = {**base, **fields}
    data["precision"] = {"weight": f"{bits} b", "input": f"{bits} b"}
    data["chip"]["tile"]["vector_unit"] = VECTOR_UNIT
    data["chip"]["tile"]["buffer"]["capacity"] = "16 KB"
    return Architecture.model_validate(data)
