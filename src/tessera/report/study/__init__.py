"""The report of a study: what its cells say of the claims under test, in tables, figures and pictures."""
