"""Rewards over HTTP: a server around any of them, and a client that is one (docs/remote.md)."""
