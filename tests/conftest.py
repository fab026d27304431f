"""Property tests draw the same examples every time; tests/test_fresh_seeds.py draws others."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.register_profile("fresh", derandomize=False, database=None, print_blob=True)
settings.load_profile("fixed")  # --hypothesis-profile=fresh comes later and so wins
