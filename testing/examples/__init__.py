"""Runs the programs of examples/, one of each language, and holds them to one transcript."""
