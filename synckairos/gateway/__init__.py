"""The HTTP port: every call of the contract in Connect and gRPC-Web, passed on as it is, and the console's files."""
