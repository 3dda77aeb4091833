"""The account of a clock: why it has what it has."""
