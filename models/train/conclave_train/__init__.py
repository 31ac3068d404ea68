"""Trains the embedded model and its drafters, from text to shipped files: see ../README.md."""
