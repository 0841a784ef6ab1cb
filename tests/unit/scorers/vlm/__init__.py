"""Scorers made of vision-language models."""
