"""What hardware costs, apart from what it does: formulas from structure, node and supply."""
