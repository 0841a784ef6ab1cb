"""Evaluations side by side: what they share, scores with paired differences, the pictures that changed."""
