"""Transformers and convolutional networks of transformers for images, sound and both with text."""

from __future__ import annotations

from typing import Any

from architectures.case import VOCABULARY, Case, from_config, image

VIT: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
IMAGES = "AutoModelForImageClassification"


def _pair() -> dict[str, Any]:
    import torch

    ids = torch.randint(4, VOCABULARY - 4, (1, 8))
    return {"input_ids": ids, "pixel_values": torch.randn(1, 3, 32, 32)}


def _clip(kind: str) -> Case:
    text = {"vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64,
            "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 8,
            "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0}  # fmt: skip
    return Case(
        from_config(kind, "AutoModel", text_config=text, vision_config=VIT), _pair,
        ("q_proj", "v_proj"),
    )  # fmt: skip


def _sound() -> dict[str, Any]:
    import torch

    return {"input_values": torch.randn(1, 400)}


VISION = {
    "ViT": Case(from_config("vit", IMAGES, **VIT), image(), ("query", "value")),
    "DeiT": Case(from_config("deit", IMAGES, **VIT), image(), ("query", "value")),
    "BEiT": Case(from_config("beit", IMAGES, **VIT), image(), ("query", "value")),
    "DINOv2": Case(from_config("dinov2", IMAGES, **VIT), image(), ("query", "value")),
    "Swin": Case(
        from_config("swin", IMAGES, image_size=32, patch_size=4, embed_dim=16, depths=[2, 2],
                    num_heads=[2, 4], window_size=4),
        image(), ("query", "value"),
    ),
    "CLIP": _clip("clip"),
    "SigLIP": _clip("siglip"),
    "ConvNeXt": Case(
        from_config("convnext", IMAGES, hidden_sizes=[8, 16], depths=[1, 1], num_stages=2,
                    patch_size=4), image(),
    ),
    "ConvNeXt V2": Case(
        from_config("convnextv2", IMAGES, hidden_sizes=[8, 16], depths=[1, 1], num_stages=2,
                    patch_size=4), image(),
    ),
    "SegFormer": Case(
        from_config("segformer", "AutoModelForSemanticSegmentation", hidden_sizes=[8, 16],
                    num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1],
                    num_attention_heads=[1, 2],
                    patch_sizes=[7, 3], strides=[4, 2], mlp_ratios=[2, 2], decoder_hidden_size=16),
        image(), ("query", "value"),
    ),
    "MobileViT": Case(
        from_config("mobilevit", IMAGES, hidden_sizes=[16, 24, 32], image_size=64,
                    neck_hidden_sizes=[8, 8, 16, 16, 24, 32, 48], num_attention_heads=4),
        image(64), ("query", "value"),
    ),
    "RegNet": Case(
        from_config("regnet", IMAGES, embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1],
                    groups_width=8), image(),
    ),
    "PoolFormer": Case(
        from_config("poolformer", IMAGES, hidden_sizes=[8, 16], depths=[1, 1], num_encoder_blocks=2,
                    patch_sizes=[7, 3], strides=[4, 2], padding=[2, 1]), image(),
    ),
    "wav2vec 2.0": Case(
        from_config("wav2vec2", "AutoModel", vocab_size=VOCABULARY, hidden_size=32,
                    num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                    conv_dim=[16, 16], conv_stride=[5, 2], conv_kernel=[10, 3],
                    num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2),
        _sound, ("q_proj", "v_proj"),
    ),
}  # fmt: skip
