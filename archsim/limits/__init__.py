"""What no mapping of a model on a chip can beat: lower bounds of latency and interval.

Every bound counts work that each mapping has to do, on all hardware of its kind that there is. The
reasons stand in the docstrings; docs/limits.md has them together.
"""
