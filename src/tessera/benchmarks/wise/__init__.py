"""WISE (arXiv 2503.07265): its prompts from the user's copy, the judge, its rules, files and summary."""
