"""What a samples folder holds and under which names; shared by the sampler and the report."""

SAMPLES = "samples.jsonl"
GRID = "grid.png"
