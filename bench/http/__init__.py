"""What the HTTP port costs beside the gRPC port, and what its callers cost those of gRPC."""
