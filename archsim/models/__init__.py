"""Models by their sizes: a configuration (built in, own YAML or config.json) becomes a trace."""
