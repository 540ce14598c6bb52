"""Measures the figures of bench/README.md: every speed beside its limit, measured in the same run, and beside its recall."""
