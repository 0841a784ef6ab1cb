"""Intervals and differences: how sure a number is. NumPy only."""
