"""Janus-Pro (arXiv:2501.17811) behind the policy contract, on the class that transformers has."""
