"""`synckairos dev`: everything on one machine, and how other commands find it there."""
