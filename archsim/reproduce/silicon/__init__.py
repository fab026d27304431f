"""Fabricated macros: figures of their papers beside those that cost models and the engine give."""
