"""Decoders, encoder-decoders and mixtures of experts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from architectures.case import TOKENS, VOCABULARY, Case, from_config, prompt

LLAMA: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 64,
    "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
PROJECTIONS = ("q_proj", "v_proj")
LM = "AutoModelForCausalLM"


def _llama(kind: str, auto: str = LM, targets: tuple[str, ...] = PROJECTIONS, **more: Any) -> Case:
    return Case(from_config(kind, auto, **{**LLAMA, **more}), prompt, targets)


def _pair(**more: Any) -> Callable[[], Any]:
    """Token ids for an encoder and, half as many, for a decoder."""

    def inputs() -> dict[str, Any]:
        import torch

        return {
            "input_ids": torch.randint(4, VOCABULARY - 4, (1, TOKENS)),
            "decoder_input_ids": torch.randint(4, VOCABULARY - 4, (1, TOKENS // 2)),
            "use_cache": False, **more,
        }  # fmt: skip

    return inputs


def _speech() -> dict[str, Any]:
    import torch

    return {
        "input_features": torch.randn(1, 20, 64),
        "decoder_input_ids": torch.randint(4, VOCABULARY - 4, (1, 8)), "use_cache": False,
    }  # fmt: skip


T5: dict[str, Any] = {
    "vocab_size": VOCABULARY, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2,
    "num_heads": 4, "decoder_start_token_id": 0,
}  # fmt: skip
BART: dict[str, Any] = {
    "vocab_size": VOCABULARY, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64, "max_position_embeddings": 64,
}  # fmt: skip
GPT2: dict[str, Any] = {
    "vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip

GENERATORS = {
    "GPT-2": Case(from_config("gpt2", LM, **GPT2), prompt, ("c_attn",)),
    "GPT-J": Case(from_config("gptj", LM, **GPT2, rotary_dim=4), prompt, PROJECTIONS),
    "GPT-NeoX": _llama("gpt_neox", targets=("query_key_value",)),
    "OPT": _llama("opt", ffn_dim=64, word_embed_proj_dim=32),
    "BLOOM": Case(from_config("bloom", LM, vocab_size=VOCABULARY, hidden_size=32, n_layer=2,
                              n_head=4), prompt, ("query_key_value",)),
    "Falcon": Case(from_config("falcon", LM, vocab_size=VOCABULARY, hidden_size=32,
                               num_hidden_layers=2, num_attention_heads=4), prompt,
                   ("query_key_value",)),
    "LLaMA": _llama("llama"),
    "LLaMA, classifier": _llama("llama", "AutoModelForSequenceClassification"),
    "Mistral, sliding window": _llama("mistral", sliding_window=8),
    "Qwen2": _llama("qwen2"),
    "Qwen3": _llama("qwen3"),
    "Gemma": _llama("gemma"),
    "Gemma 2": _llama("gemma2", sliding_window=8),
    "Gemma 3": _llama("gemma3_text", sliding_window=8),
    "Phi": _llama("phi"),
    "Phi-3": _llama("phi3", targets=("qkv_proj",)),
    "StableLM": _llama("stablelm"),
    "StarCoder2": _llama("starcoder2"),
    "OLMo": _llama("olmo"),
    "OLMo 2": _llama("olmo2"),
    "Granite": _llama("granite"),
    "Cohere": _llama("cohere"),
    "GLM": _llama("glm"),
    "SmolLM3": _llama("smollm3"),
    "MPT": Case(from_config("mpt", LM, vocab_size=VOCABULARY, d_model=32, n_layers=2, n_heads=4,
                            max_seq_len=64), prompt, ("Wqkv",)),
    "Mixtral": _llama("mixtral", num_local_experts=4, num_experts_per_tok=2),
    "Qwen2-MoE": _llama("qwen2_moe", num_experts=4, num_experts_per_tok=2,
                        moe_intermediate_size=32, shared_expert_intermediate_size=32),
    "Qwen3-MoE": _llama("qwen3_moe", num_experts=4, num_experts_per_tok=2,
                        moe_intermediate_size=32),
    "DeepSeek-V3": _llama(
        "deepseek_v3", targets=("q_b_proj", "kv_b_proj"), num_key_value_heads=4, q_lora_rank=16,
        kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=8, v_head_dim=8, n_routed_experts=4,
        num_experts_per_tok=2, n_group=2, topk_group=1, moe_intermediate_size=32,
        first_k_dense_replace=1,
    ),
    "Mamba": Case(from_config("mamba", LM, vocab_size=VOCABULARY, hidden_size=32,
                              num_hidden_layers=2, state_size=8), prompt, ()),
    "T5": Case(from_config("t5", "AutoModelForSeq2SeqLM", **T5), _pair(), ("q", "v")),
    "FLAN-T5": Case(
        from_config("t5", "AutoModelForSeq2SeqLM", **T5, feed_forward_proj="gated-gelu",
                    tie_word_embeddings=False), _pair(), ("q", "v"),
    ),
    "BART": Case(from_config("bart", "AutoModelForSeq2SeqLM", **BART), _pair(), PROJECTIONS),
    "Marian": Case(
        from_config("marian", "AutoModelForSeq2SeqLM", **BART, pad_token_id=0,
                    decoder_start_token_id=0), _pair(), PROJECTIONS,
    ),
    "Whisper": Case(
        from_config("whisper", "AutoModelForSpeechSeq2Seq",
                    **{**BART, "max_position_embeddings": None}, num_mel_bins=20,
                    max_source_positions=32, max_target_positions=32, pad_token_id=0,
                    bos_token_id=1, eos_token_id=2, decoder_start_token_id=3),
        _speech, PROJECTIONS,
    ),
}  # fmt: skip
