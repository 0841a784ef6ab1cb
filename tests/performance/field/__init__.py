"""Benchmarks of the field from end to end: the commands of a user, on tiny random instruments."""
