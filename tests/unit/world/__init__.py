"""The embedded world: words, prompts, scenes, pictures, and the verifier that reads them back."""
