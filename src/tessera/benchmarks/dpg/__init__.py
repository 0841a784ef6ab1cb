"""DPG-Bench (arXiv 2403.05135): prompts, questions, rules, its files, its summary."""
