"""Policies: autoregressive image models behind one contract (`tessera.protocols.Policy`)."""
