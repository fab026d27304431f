"""Figures for papers, drawn with Matplotlib from result files."""
