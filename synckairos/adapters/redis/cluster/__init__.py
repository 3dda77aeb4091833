"""Redis as a cluster: which node has a slot, and how each exchange gets there."""
