"""The loop and what it stands on: update, checkpoint, metrics, held-out measurement."""
