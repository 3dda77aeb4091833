"""Forks: gRPC's core does not survive them. A child gets an error instead of a crash, or a call that never returns."""

import os
import threading

_used, _lost = threading.Event(), threading.Event()


def use_grpc() -> None:
    """Note that gRPC is used from here on; raises RuntimeError in a process forked after it was used."""
    if _lost.is_set():
        raise RuntimeError(
            "gRPC does not work in a process that was forked after a client was opened:"
            " open clients in the children only, or start processes by `spawn`"
        )
    _used.set()


def _in_child() -> None:
    if _used.is_set():
        _lost.set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
