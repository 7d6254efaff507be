"""The tasks by subject; each decodes, calls, encodes."""
