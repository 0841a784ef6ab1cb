"""The tests, importable as `tests.…` so that helpers can be shared by name."""
