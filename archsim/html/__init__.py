"""Reports: one self-contained HTML page per run, sweep, comparison or reproduction."""
