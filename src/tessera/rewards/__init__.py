"""What training sees: one number per picture, NaN where there is none."""
