"""Traces from models in the layout of Hugging Face, by a forward pass in NumPy."""
