"""Nightly copy of an Open Dental database to PostgreSQL. Importing opens nothing and reads no environment."""

__version__ = "0.1.0"
