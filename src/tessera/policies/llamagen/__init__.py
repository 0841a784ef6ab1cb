"""LlamaGen: class- or caption-conditional autoregressive models over VQ codes, with the published weights."""
