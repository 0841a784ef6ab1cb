"""Rewards over HTTP, tried against real servers on a free port of this machine."""
