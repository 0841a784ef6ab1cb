"""Measuring instruments: (prompt, picture) -> raw number. Shared by rewards and benchmarks."""
