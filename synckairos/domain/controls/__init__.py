"""Time controls: their rules, how they are written and described, and what follows from them."""
