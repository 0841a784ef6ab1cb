"""Rollouts: a static cache, prefill and step, guidance as paired rows, seeds per picture."""
