"""GenEval (arXiv 2310.11513): prompts, what is seen, its rules, its files, its summary."""
