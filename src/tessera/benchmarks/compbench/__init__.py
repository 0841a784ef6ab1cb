"""T2I-CompBench++ (arXiv 2307.06350) as a benchmark: its prompts, its files, its summary."""
