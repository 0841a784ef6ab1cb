"""The maths of the objective, against values worked out by hand."""
