"""Make workloads/bert_base.yaml: the shapes of BERT-base, 128 tokens, no values.

Sizes: Devlin et al., "BERT", NAACL 2019, section 3 (L=12, H=768, A=12, 110 M parameters), with the
vocabulary of 30,522 of the released uncased model.

    python scripts/bert_base_workload.py
"""

from __future__ import annotations

from pathlib import Path

from archsim.models.encoder import EncoderConfig
from archsim.models.extent import Extent
from archsim.models.load import load_config
from archsim.trace.model import TRACE_VERSION, Precision, Provenance, Trace
from archsim.trace.yaml_writer import save_workload

OUT = Path(__file__).resolve().parent.parent / "workloads" / "bert_base.yaml"
LENGTH = 128


def bert_base() -> Trace:
    """BERT-base with its pooler."""
    sizes = load_config("bert-base")
    assert isinstance(sizes, EncoderConfig)
    graph = sizes.graph(Extent(seq=LENGTH))
    return Trace(
        archsim_trace=TRACE_VERSION,
        name="bert_base",
        provenance=Provenance(
            model="BERT-base uncased (Devlin et al., NAACL 2019, section 3)",
            made_by="python scripts/bert_base_workload.py",
        ),
        precision=Precision(weight=8, input=8),
        inputs=graph.inputs,
        layers=graph.layers,
    )


def main() -> None:
    trace = bert_base()
    summary = (
        f"BERT-base, {LENGTH} tokens: {trace.macs() / 1e9:.2f} GMACs, "
        f"{trace.parameters() / 1e6:.1f} M weights, with biases and norms "
        f"{trace.parameters(biases=True) / 1e6:.1f} M, 8-bit codes"
    )
    header = f"{summary}.\nMade by: python scripts/bert_base_workload.py"
    save_workload(trace, OUT, header)
    print(f"{OUT.name}: {summary}")


if __name__ == "__main__":
    main()
