"""A trained policy for others: weights in the model's own layout, the adapter alone, and a model card."""
