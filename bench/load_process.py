"""A process that makes load: it reads jobs from standard input and writes what came of them to standard output."""

import gc

from bench.callers import Callers
from bench.jobs import CallsJob, Go, Job, Ready, Result, StreamJob, TransactionJob, WatchJob, orders, read_order, write
from bench.stream_callers import StreamCallers
from bench.watchers import Watchers

Worker = Callers | StreamCallers | Watchers


def carry_out(job: Job) -> None:
    """Prepare, say so, begin when told, and report."""
    if isinstance(job, TransactionJob):
        from bench.redis_transactions import carry_out_transactions  # noqa: PLC0415 - the others have no use for a Redis client

        carry_out_transactions(job)
        return
    worker = _worker(job)
    try:
        write(Ready())
        go = read_order(orders())
        if isinstance(go, Go):
            write(worker.run(go.at))
    except OSError as error:
        write(Result(errors={f"connection lost: {error}": 1}))
    finally:
        worker.close()


def _worker(job: CallsJob | StreamJob | WatchJob) -> Worker:
    match job:
        case CallsJob():
            return Callers(job)
        case StreamJob():
            return StreamCallers(job)
        case WatchJob():
            return Watchers(job)


def main() -> None:
    """Work until told to stop."""
    gc.disable()  # nothing here goes in circles, and a pause would be taken for the server's
    while isinstance(job := read_order(orders()), CallsJob | StreamJob | WatchJob | TransactionJob):
        carry_out(job)


if __name__ == "__main__":
    main()
