"""Prompts from files, and what is kept on disk."""
