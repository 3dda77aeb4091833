"""The robustness validator: a seeded schedule of faults, recordings of all that was said, and a judge of them."""

import os

# Servers are started while calls run: gRPC's fork handlers would crash some of them between fork and exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
