"""Timelines: what every unit and every operation did when, for ui.perfetto.dev."""

TIMELINE_ENDINGS = (".json", ".pftrace")
"""What the name of a timeline's file may end with."""
