"""Emu3-Gen (arXiv:2409.18869) behind the policy contract, on the class that transformers has."""
