"""Scorers on CLIP: people's preference (HPSv2, PickScore), agreement with the prompt, aesthetics (LAION)."""
