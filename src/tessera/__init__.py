"""Tessera: reinforcement learning for autoregressive image generation, measured in and out of domain."""

__version__ = "0.1.0"
