"""The learned judges of mosaic: four small models that differ as the reward models of large worlds differ.

`sizes` (what they are) -> `layers`, `models` (how they compute) -> `judge` (prompts and pictures to scores).
"""
