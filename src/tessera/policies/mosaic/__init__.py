"""The embedded policy: a VQ tokenizer and a small decoder-only transformer, shipped with the package."""
