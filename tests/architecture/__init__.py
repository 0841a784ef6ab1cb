"""The plan of the house, as tests: who may import whom, what stays free of torch, what is never used."""
