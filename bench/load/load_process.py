"""A process that makes load: it takes jobs from a pipe and sends back their results.

python -m bench.load.load_process FD
"""

import gc
import sys
from multiprocessing.connection import Connection

from bench.load.callers import Callers
from bench.load.jobs import CallsJob, Go, Job, Ready, Result, Stop, StreamJob, TransactionJob, WatchJob
from bench.load.stream_callers import StreamCallers
from bench.load.watchers import Watchers
from bench.redis_transactions import Transactions


def carry_out(job: Job, pipe: Connection) -> None:
    """Prepare, say so, begin when told, and report."""
    worker = _worker(job, pipe)
    try:
        pipe.send(Ready())
        go = pipe.recv()
        if isinstance(go, Go):
            pipe.send(worker.run(go.at))
    except OSError as error:
        result = Result()
        result.errors[f"connection lost: {error}"] += 1
        pipe.send(result)
    finally:
        worker.close()


def _worker(job: Job, pipe: Connection) -> Callers | StreamCallers | Transactions | Watchers:
    match job:
        case CallsJob():
            return Callers(job)
        case StreamJob():
            return StreamCallers(job)
        case WatchJob():
            return Watchers(job, pipe)
        case TransactionJob():
            return Transactions(job)


def main() -> None:
    """Work until told to stop."""
    gc.disable()  # nothing here goes in circles, and a pause would be taken for the server's
    pipe = Connection(int(sys.argv[1]))
    while not isinstance(job := pipe.recv(), Stop):
        carry_out(job, pipe)


if __name__ == "__main__":
    main()
