"""The stages of one PE's product of a vector and its weights, by the kind of its arrays."""

from __future__ import annotations

from archsim.arch.pe import AnalogRoles, MacroRoles, Roles
from archsim.components.base import Work
from archsim.mapping.needs import Need
from archsim.mapping.tiling import PEShare
from archsim.mapping.transport import TILE
from archsim.mapping.writer import Writer

PE = f"{TILE}.pe"


def pe_product(
    pe: Roles, writer: Writer, place: tuple[int, int], share: PEShare, need: Need, fetched: int
) -> list[int]:
    """Write the stages behind the stage `fetched`; the resources of the arrays that are used.

    place: tile and PE. The results end in the PE's output register. Inputs of circulant weights
    are fetched once and turned as the input register is read.
    """
    loaded = writer.work(
        f"{PE}.{pe.names['input_register']}",
        place,
        pe.input_register.access(share.input_elements * need.input_bits * need.turns),
        [fetched],
    )
    if isinstance(pe, AnalogRoles):
        arrays, sums = _analog(pe, writer, place, share, need, loaded)
    else:
        arrays, sums = _bit_serial(pe, writer, place, share, need, loaded)
    if need.mask is not None:
        name, mask = need.mask
        masked = mask.apply(need.turns * sum(array.columns for array in share.arrays))
        sums = [writer.work(f"{PE}.{name}", place, masked, sums)]
    store = pe.output_register.access(sum(share.widths.values()) * need.input_bits)
    writer.work(f"{PE}.{pe.names['output_register']}", place, store, sums)
    return arrays


def _analog(
    pe: AnalogRoles,
    writer: Writer,
    place: tuple[int, int],
    share: PEShare,
    need: Need,
    loaded: int,
) -> tuple[list[int], list[int]]:
    """For each array bit by bit: read, convert, shift and add; arrays and last stages."""
    path = {role: f"{PE}.{name}" for role, name in pe.names.items()}
    beats = pe.input_beats(need.input_bits) * need.turns
    ports = pe.shift_add.count * pe.shift_add.inputs
    arrays, sums = [], []
    for index, array in enumerate(share.arrays):
        resource = writer.resource(path["array"], *place, index)
        arrays.append(resource)
        read = writer.stage(
            resource,
            pe.read_seconds(),
            [
                (path["array"], "cell_read", array.rows * array.columns),
                (path["dac"], "pulse", array.rows),
                (path["sample_hold"], "sample", array.columns),
            ],
            beats=beats,
            hold=True,
            parents=[loaded],
        )
        converter = *place, index % pe.adc.count
        columns = pe.converted(array.columns, need.kept)
        convert = pe.adc.convert(columns)
        converted = writer.repeat(path["adc"], converter, convert, beats, [read])
        port = *place, index % ports
        accumulate = pe.shift_add.accumulate(columns)
        sums.append(writer.repeat(path["shift_add"], port, accumulate, beats, [converted]))
    return arrays, sums


def _bit_serial(
    pe: MacroRoles,
    writer: Writer,
    place: tuple[int, int],
    share: PEShare,
    need: Need,
    loaded: int,
) -> tuple[list[int], list[int]]:
    """For each plane: align (FP8), stream the bits, drain; macros and last stages.

    The planes of a macro hold its compute logic in turn, each from its first bit to its last.
    Partial sums of one output are added up as they leave.
    """
    path, macro, bits = f"{PE}.{pe.names['array']}", pe.array, need.input_bits
    arrays: list[int] = []
    sums: list[int] = []
    begun: set[int] = set()  # output groups of which the PE has a partial sum already
    for index, array in enumerate(share.arrays):
        where = *place, index // macro.depth
        resource = writer.resource(path, *where)
        if resource not in arrays:
            arrays.append(resource)
        before = loaded
        if macro.aligned(bits):
            aligned = macro.align(array.rows)
            before = _step(writer, path, "align", where, aligned, [loaded])
        kept = pe.converted(array.columns, need.kept)
        outputs = pe.converted(array.width, need.kept)
        summed = pe.converted(array.stored, need.kept)
        multiply = macro.multiply(bits, array.rows, array.columns, kept, summed)
        product = writer.stage(
            resource,
            multiply.period,
            [(path, action, amount) for action, amount in multiply.actions.items()],
            cycles=multiply.cycles,
            beats=pe.input_beats(bits) * need.turns,
            hold=True,
            parents=[before],
        )
        merged = outputs if array.outputs in begun else 0
        begun.add(array.outputs)
        delivered = macro.deliver(bits, outputs, merged)
        sums.append(_step(writer, path, "drain", where, delivered, [product]))
    return arrays, sums


def _step(
    writer: Writer, path: str, step: str, where: tuple[int, ...], work: Work, parents: list[int]
) -> int:
    """A step of a macro's pipeline beside its compute logic, on a resource of its own."""
    return writer.stage(
        writer.resource(f"{path}.{step}", *where, servers=work.servers),
        work.period,
        [(path, action, amount) for action, amount in work.actions.items()],
        cycles=work.cycles,
        parents=parents,
    )
