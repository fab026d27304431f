"""GPU baselines: a roofline and power model of a GPU, and measurements of a real one."""
