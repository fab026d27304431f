"""A mapping as a file: written, edited by hand if wanted, and taken back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from archsim.arch.model import Architecture
from archsim.arch.structure import structure_hash
from archsim.documents import Document, check_version, load_document, validate
from archsim.errors import InputError, nearest
from archsim.mapping.choice import Choice, Share
from archsim.mapping.columns import lane_counts
from archsim.mapping.graph import operations
from archsim.mapping.needs import Need, needs_of
from archsim.mapping.placement import AS_USUAL, Placement
from archsim.schema import Model
from archsim.schema.units import Count
from archsim.trace.model import Trace

KEY = "archsim_mapping"


class MappingFile(Model):
    """architecture, model: what it is for, by name and hash; layers: share of each by name."""

    archsim_mapping: Annotated[Literal[1], Field(description="format version")] = 1
    architecture: str
    architecture_sha256: str
    model: str
    model_sha256: str
    chips: Count = 1
    pace_s: Annotated[float, Field(ge=0, le=1e9, description="seconds per inference aimed at")] = (
        0.0
    )
    layers: dict[str, Share]


def text_of(arch: Architecture, trace: Trace, choice: Choice, chips: int) -> str:
    """The file of a mapping, as YAML; a layer to a line."""
    lines = [
        f"{KEY}: 1",
        f"architecture: {json.dumps(arch.name)}",
        f"architecture_sha256: {structure_hash(arch)}",
        f"model: {json.dumps(trace.name)}",
        f"model_sha256: {trace_hash(trace)}",
        f"chips: {chips}",
        f"pace_s: {choice.pace!r}",
        "layers:",
    ]
    for name, share in choice.shares.items():
        shards = f", shards: {share.shards}" if share.shards > 1 else ""
        lines.append(f"  {json.dumps(name)}: {{copies: {share.copies}{shards}}}")
    return "\n".join(lines) + "\n"


def load_mapping(
    path: str | Path, arch: Architecture, trace: Trace, placement: Placement = AS_USUAL
) -> tuple[Choice, int]:
    """The choice of a file and the chips that it is for; InputError if it does not fit."""
    document = load_document(path)
    check_version(document, "mapping", KEY, 1)
    found = validate(MappingFile, document)
    for key, given, wanted, name, kind in (
        ("architecture_sha256", found.architecture_sha256, structure_hash(arch), arch.name, "chip"),
        ("model_sha256", found.model_sha256, trace_hash(trace), trace.name, "model"),
    ):
        if given != wanted:
            of = found.architecture if kind == "chip" else found.model
            other = f"'{of}'" if of != name else f"another version of '{name}'"
            raise InputError(
                f"this mapping is for the {kind} {other}.",
                document.location((key,)),
                f"Run without it, or give the {kind} that it was made for.",
            )
    _check_layers(found, document, arch, trace, placement)
    return Choice(shares=found.layers, pace=found.pace_s), found.chips


def _check_layers(
    found: MappingFile, document: Document, arch: Architecture, trace: Trace, placement: Placement
) -> None:
    ops = operations(trace, placement.groups)
    needs = {n.operation.name: n for n in needs_of(arch, trace, ops, placement)}
    on_chip = [name for name, need in needs.items() if not need.operation.off_chip]
    present = found.chips * arch.chip.tile.count * arch.chip.tile.pe.count
    taken = 0
    for name, share in found.layers.items():
        where = ("layers", name)
        if name not in on_chip:
            raise InputError(
                f"'{name}' is no layer that this mapping places.",
                document.location(where),
                nearest(name, on_chip),
            )
        need = needs[name]
        allowed = _allowed(need)
        if share.copies not in allowed:
            near = sorted(allowed, key=lambda n: (abs(n - share.copies), n))[:3]
            raise InputError(
                f"'{name}' cannot have {share.copies} copies: they must share its "
                f"{need.operation.positions} positions alike.",
                document.location((*where, "copies")),
                f"The nearest that can: {', '.join(map(str, sorted(near)))}.",
            )
        if need.most_shards % share.shards:
            raise InputError(
                f"'{name}' cannot be cut into {share.shards} shards.",
                document.location((*where, "shards")),
                f"Give a divisor of {need.most_shards}.",
            )
        taken += share.copies * len(need.pes)
        if taken > present:
            raise InputError(
                f"{share.copies} copies of '{name}' do not fit: with them {taken} PEs are taken, "
                f"{present} are present.",
                document.location((*where, "copies")),
                f"At most {max((present - taken) // max(len(need.pes), 1) + share.copies, 0)} fit.",
            )


def _allowed(need: Need) -> range | list[int]:
    if need.weights is not None:
        return lane_counts(need.operation)
    return range(1, need.operation.positions + 1)


def trace_hash(trace: Trace) -> str:
    """SHA-256 of what a mapping sees of a trace: everything but its name and its values."""
    data = trace.model_dump(mode="json", exclude_none=True, exclude={"name", "provenance"})
    for layer in data["layers"]:
        for key in ("weight_stats", "input_stats", "output_stats"):
            layer.pop(key, None)
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
