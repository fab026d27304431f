"""Finding and reading the YAML of a GPU."""

from __future__ import annotations

from pathlib import Path

from archsim.documents import Document, check_version, load_document, validate
from archsim.errors import InputError, nearest
from archsim.gpu.model import GPU, GPU_VERSION
from archsim.system import shipped

SHIPPED = shipped.root() / shipped.CHIPS / "gpu"


def gpu_names() -> list[str]:
    """Names of the GPUs that come with archsim."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_gpu(name: str | Path) -> GPU:
    """A GPU by the name of a shipped one (`a100`) or by the path of a YAML.

    Raises InputError for an unknown name, and at file and line for whatever is wrong in the file.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml", ".json"):
        path = SHIPPED / f"{str(name).lower()}.yaml"
        if str(name).lower() not in gpu_names():
            raise InputError(
                f"there is no GPU '{name}'.", None, f"{nearest(str(name), gpu_names())} A path "
                "of a GPU's YAML ends in .yaml."
            )  # fmt: skip
    document = load_document(path)
    check_version(document, "GPU", "archsim_gpu", GPU_VERSION)
    gpu = validate(GPU, document)
    _check(gpu, document)
    return gpu


def named_like(device: str) -> str:
    """The shipped GPU that a driver's device name (`NVIDIA H200`) means.

    Raises InputError if there is none.
    """
    words = "".join(c if c.isalnum() else " " for c in device.lower()).split()
    for name in gpu_names():
        if all(part in words for part in name.split("-")):
            return name
    raise InputError(
        f"no GPU that comes with archsim is called '{device}'.",
        None,
        f"Name the one to compare with: --gpu, one of {', '.join(gpu_names())} or a YAML.",
    )


def _check(gpu: GPU, document: Document) -> None:
    for path, part in gpu.parts().items():
        for field in part.sources:
            if field not in type(part).model_fields:
                raise InputError(
                    f"'{field}' is not a field of this block.",
                    document.location((*path.split("."), "sources", field)),
                    nearest(field, type(part).model_fields),
                )
    if gpu.power.idle > gpu.power.busy:
        raise InputError(
            f"idle power ({gpu.power.idle:g} W) exceeds busy power ({gpu.power.busy:g} W).",
            document.location(("power", "idle")),
            "Give the power without and with work, of the whole board.",
        )
