"""The gRPC boundary: thin servicers, one mapping each way, one table of errors."""
