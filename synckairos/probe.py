"""The health check of a container: asks the metrics port of this process' environment whether it is ready.

It is a program of its own, `python -m synckairos.probe`, for the command line takes a second to load.
"""

import os
import sys
from http.client import HTTPConnection
from typing import Final

ANSWER_S: Final = 4.0
READY: Final = 200
LISTEN: Final = ("SYNCKAIROS_METRICS_LISTEN", "SYNCKAIROS_WORKER_METRICS_LISTEN")
HERE: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - where a port open to all is asked


def probe(listen: str) -> str:
    """Return what is wrong with the process whose metrics port is this; nothing if it is ready."""
    host, _, port = listen.rpartition(":")
    connection = HTTPConnection(HERE.get(host, host).strip("[]"), int(port), timeout=ANSWER_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return "" if answer.status == READY else answer.read().decode(errors="replace").strip()
    except OSError as error:
        return f"{listen}: {error}"
    finally:
        connection.close()


def main() -> None:
    """End with 0 if the process is ready, else with 1 and the problem."""
    listen = next((os.environ[name] for name in LISTEN if os.environ.get(name)), "")
    problem = probe(listen) if listen else f"set {' or '.join(LISTEN)}, of which the check asks"
    if problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
