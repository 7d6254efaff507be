"""A clinic made of synthetic data on private servers; only the command line and tests import it."""
