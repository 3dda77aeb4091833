"""The baselines, measured in the same run: an empty gRPC call, and the Redis transaction of a switch alone."""

from dataclasses import dataclass

from bench.load.jobs import Lane, StreamJob, TransactionJob
from bench.load.load_pool import Measurement
from bench.scenarios.base import CALLERS, Calls, Scenario
from bench.testbed import Testbed

BARE_PREFIX = "bare"
QUARTER = 0.25


@dataclass
class EchoCalls(Calls):
    """Empty calls to the server that only echoes."""

    paths: tuple[str, ...] = ("/bench.Echo/Unary",)
    only_on_request: bool = True
    share: float = 0.0
    """Of the maximum rate of switches, for an open loop."""

    async def lanes(self, testbed: Testbed) -> list[Lane]:
        """Every caller says nothing."""
        del testbed
        return [[(0, b"")] for _ in range(self.callers)]

    def rate(self, testbed: Testbed) -> float:
        """Return as many calls a second as the switches that it is compared with."""
        return self.share * testbed.latest["switch"].rate if self.share else 0.0

    async def prepare(self, testbed: Testbed) -> None:
        """Nothing: the echo runs."""

    async def measure(self, testbed: Testbed) -> Measurement:
        """Call the echo."""
        jobs = self.jobs(testbed, [testbed.echo.address], await self.lanes(testbed), self.rate(testbed))
        return await testbed.pool.measure(jobs, {"server": [testbed.echo.pid]})


@dataclass
class EchoStream(Scenario):
    """Empty messages over streams to the server that only echoes."""

    only_on_request: bool = True
    in_flight: int = 32

    async def measure(self, testbed: Testbed) -> Measurement:
        """Send and take."""
        job = StreamJob(
            addresses=[testbed.echo.address],
            path="/bench.Echo/Stream",
            lanes=[[b"\x08\x01"]],
            in_flight=self.in_flight,
            warm_s=testbed.sizes.warm_s,
            run_s=testbed.sizes.run_s,
        )
        return await testbed.pool.measure([job, job], {"server": [testbed.echo.pid]})


@dataclass
class Transactions(Scenario):
    """The two round trips of a switch, without gRPC."""

    only_on_request: bool = True
    callers: int = CALLERS

    async def measure(self, testbed: Testbed) -> Measurement:
        """Carry them out in one load process, which stands where the server does in the others."""
        job = TransactionJob(
            redis_url=testbed.redis_url,
            prefix=BARE_PREFIX,
            sessions=min(testbed.sizes.sessions, 256),
            callers=self.callers,
            warm_s=testbed.sizes.warm_s,
            run_s=testbed.sizes.run_s,
        )
        measured = await testbed.pool.measure([job], {"redis": [testbed.deployment.redis.pid]})
        measured.cpu_s["server"] = measured.cpu_s.pop("load")
        await testbed.empty_outbox(BARE_PREFIX)
        return measured


def baselines() -> list[Scenario]:
    """Return all of them."""
    return [
        EchoCalls("echo", "empty unary call, 32 callers"),
        EchoCalls("echo_1", "empty unary call, one caller", callers=1),
        EchoCalls("echo_paced", "empty unary call at the rate of switch_paced", against=("switch",), share=QUARTER),
        EchoStream("echo_stream", "empty message over a bidirectional stream, 2 x 32 on their way"),
        Transactions("bare", "bare Redis transaction of a switch, 32 callers"),
        Transactions("bare_1", "bare Redis transaction of a switch, one caller", callers=1),
    ]
