"""A run directory: what happened, kept raw first, and everything that is rebuilt from it."""
