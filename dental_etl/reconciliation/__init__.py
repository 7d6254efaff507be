"""Proves that source, replica and raw hold the same rows, and mends what does not."""
