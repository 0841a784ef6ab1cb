"""Benchmarks: prompts, a grader, and how single verdicts add up."""
