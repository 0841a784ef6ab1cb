"""How the embedded policy is made: its corpus, its optimizer, its tokenizer."""
