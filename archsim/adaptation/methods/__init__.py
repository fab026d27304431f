"""One adaptation method per file; a new one is found by its `kind`."""
