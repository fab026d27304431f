"""Common architectures with small random weights, each with inputs and its MACs by hand."""

from architectures.catalogue import ARCHITECTURES, Case

__all__ = ["ARCHITECTURES", "Case"]
