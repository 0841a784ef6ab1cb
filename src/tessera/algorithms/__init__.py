"""What is collected and which objective is applied. No optimizer, no device, no logging."""
