"""The maths: pure functions of tensors, without models, devices or configuration."""
