"""Encoders of text."""

from __future__ import annotations

from typing import Any

from architectures.case import VOCABULARY, Case, from_config, tokens

BERT: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 64, "max_position_embeddings": 64,
}  # fmt: skip
CLASSIFIER = "AutoModelForSequenceClassification"


def _bert(kind: str, auto: str = "AutoModel", targets: tuple[str, ...] = ("query", "value"),
          **more: Any) -> Case:  # fmt: skip
    return Case(from_config(kind, auto, **{**BERT, **more}), tokens(), targets)


ENCODERS = {
    "BERT": _bert("bert"),
    "BERT, classifier": _bert("bert", CLASSIFIER),
    "RoBERTa": _bert("roberta", max_position_embeddings=66),
    "XLM-RoBERTa, classifier": _bert("xlm-roberta", CLASSIFIER, max_position_embeddings=66),
    "ALBERT": _bert("albert", embedding_size=16),
    "ELECTRA": _bert("electra", embedding_size=16),
    "MPNet": _bert("mpnet", targets=("q", "v"), max_position_embeddings=66),
    "DeBERTa-v2": _bert(
        "deberta-v2", targets=("query_proj", "value_proj"), relative_attention=True,
        position_buckets=8, pos_att_type=["p2c", "c2p"], type_vocab_size=0,
    ),
    "DistilBERT": Case(
        from_config("distilbert", CLASSIFIER, vocab_size=VOCABULARY, dim=32, n_layers=2, n_heads=4,
                    hidden_dim=64, max_position_embeddings=64),
        tokens(), ("q_lin", "v_lin"),
    ),
    "ModernBERT": Case(
        from_config("modernbert", "AutoModel", vocab_size=VOCABULARY, hidden_size=32,
                    num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
                    local_attention=8, pad_token_id=0),
        tokens(), ("Wqkv",),
    ),
    "MobileBERT": _bert("mobilebert", intra_bottleneck_size=16, embedding_size=16,
                        true_hidden_size=16),
    "SqueezeBERT": _bert("squeezebert", embedding_size=32, q_groups=2, k_groups=2, v_groups=2,
                         post_attention_groups=1, intermediate_groups=2, output_groups=2,
                         targets=()),
}  # fmt: skip
