"""Load and check an architecture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archsim.errors import InputError, nearest

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.documents import Document


def load_arch(path: str | Path) -> Architecture:
    """Read an architecture YAML; InputError with file and line if anything is wrong."""
    from archsim.documents import load_document

    return arch_from_document(load_document(path))


def arch_from_document(document: Document) -> Architecture:
    """Validate a loaded document as an architecture."""
    from archsim.arch.derived import with_derived
    from archsim.arch.model import ARCH_VERSION, Architecture
    from archsim.documents import check_version, validate

    document = with_derived(document)
    check_version(document, "architecture", "archsim_arch", ARCH_VERSION)
    arch = validate(Architecture, document)
    _check_parts(arch, document)
    if any(part.cost is not None for part, _ in arch.parts().values()):
        from archsim.arch.pricing import fill_prices

        fill_prices(arch, document)
    return arch


def _check_parts(arch: Architecture, document: Document) -> None:
    from archsim.arch.pe import IncompletePE, roles
    from archsim.components.buffer import Buffer
    from archsim.components.bus import Bus

    for path, (part, _) in arch.parts().items():
        for field in part.sources:
            priced = {} if part.cost is None else type(part.cost).model_fields
            if field not in type(part).model_fields and field not in priced:
                raise InputError(
                    f"'{field}' is not a field of this component.",
                    document.location((*path.split("."), "sources", field)),
                    nearest(field, type(part).model_fields),
                )
    try:
        roles(arch.chip.tile.pe)
    except IncompletePE as error:
        raise InputError(f"{error}.", document.location(("chip", "tile", "pe"))) from None
    for kind, word in ((Buffer, "buffer"), (Bus, "bus")):
        if arch.chip.tile.find(kind) is None:
            raise InputError(
                f"the tile needs a component of kind: {word}.",
                document.location(("chip", "tile")),
            )
