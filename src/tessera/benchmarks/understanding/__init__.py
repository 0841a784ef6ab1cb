"""Whether a unified model still reads pictures after it was trained to draw them: a user's own questions."""
