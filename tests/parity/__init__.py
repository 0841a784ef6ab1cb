"""Our numbers against other people's code."""
