"""Search for a better mapping than that of the rules, with the engine as the judge."""
