"""T2I-CompBench's evaluators of its eight categories: what instruments see, and the rules that judge it."""
