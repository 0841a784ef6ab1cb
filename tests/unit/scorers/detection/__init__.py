"""The detection scorers: boxes, rules, what a prompt asks for, and the detector behind them."""
