"""The embedded world, mosaic: scenes of a few pieces, their pictures, their prompts, and an exact verifier.

`scene` (pieces on a grid) -> `render` (pixels) -> `verify` (pixels back to pieces, held against a prompt);
`grammar` (description <-> words) and `prompts` (families, categories, shifts, splits).
"""
