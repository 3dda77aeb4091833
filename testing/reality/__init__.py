"""Reality replay: real games and auctions, played through a real server and held to their records."""

import os

# Servers are started while calls run: gRPC's fork handlers would crash some of them between fork and exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
