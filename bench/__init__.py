"""Benchmarks against real processes; each prints its figures, and none is part of the product."""

import os

# Servers are started while calls run: gRPC's fork handlers would crash some of them between fork and exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
