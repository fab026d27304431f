"""On-device learning: the gradients, stored activations and updates that a trainable set needs."""

from archsim.learning.derive import learning_work
from archsim.learning.lora import (
    fusion_parameters,
    lora_name,
    lora_parameters,
    lora_shapes,
    with_lora,
)
from archsim.learning.work import LayerLearning, LearningWork, Optimizer, Stored

__all__ = [
    "LayerLearning", "LearningWork", "Optimizer", "Stored", "fusion_parameters", "learning_work",
    "lora_name", "lora_parameters", "lora_shapes", "with_lora",
]  # fmt: skip
