"""What a samples folder holds and under which names; shared by the sampler and the report."""

SAMPLES = "samples.jsonl"
SCORES = "scores.jsonl"  # of the candidates of best-of-n, and which of them are chosen
GRID = "grid.png"
