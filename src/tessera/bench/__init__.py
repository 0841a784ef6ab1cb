"""How fast and how large: rollouts, log-probabilities, training steps and scorers against plain baselines."""
