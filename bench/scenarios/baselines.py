"""What the others are compared with, measured in the same run: the emptiest gRPC call, the barest transaction."""

from dataclasses import dataclass

from bench.crew import Measurement
from bench.jobs import BareJob, Lane, StreamJob
from bench.scenarios.base import CALLERS, Calls, Scenario
from bench.world import World

BARE_PREFIX = "bare"
QUARTER = 0.25


@dataclass
class EchoCalls(Calls):
    """Empty calls to the server that only echoes."""

    paths: tuple[str, ...] = ("/bench.Echo/Unary",)
    is_baseline: bool = True
    share: float = 0.0
    """Of the maximum rate of switches, for an open loop."""

    async def lanes(self, world: World) -> list[Lane]:
        """Every caller says nothing."""
        del world
        return [[(0, b"")] for _ in range(self.callers)]

    def rate(self, world: World) -> float:
        """Return as many calls a second as the switches that it is compared with."""
        return self.share * world.latest["switch"].rate if self.share else 0.0

    async def prepare(self, world: World) -> None:
        """Nothing: the echo runs."""

    async def measure(self, world: World) -> Measurement:
        """Call the echo."""
        jobs = self.jobs(world, [world.echo.address], await self.lanes(world), self.rate(world))
        return await world.crew.measure(jobs, {"server": [world.echo.pid]})


@dataclass
class EchoStream(Scenario):
    """Empty messages over streams to the server that only echoes."""

    is_baseline: bool = True
    in_flight: int = 32

    async def measure(self, world: World) -> Measurement:
        """Send and take."""
        job = StreamJob(
            addresses=[world.echo.address],
            path="/bench.Echo/Stream",
            lanes=[[b"\x08\x01"]],
            in_flight=self.in_flight,
            warm_s=world.sizes.warm_s,
            run_s=world.sizes.run_s,
        )
        return await world.crew.measure([job, job], {"server": [world.echo.pid]})


@dataclass
class Bare(Scenario):
    """The two round trips of a switch, without gRPC."""

    is_baseline: bool = True
    callers: int = CALLERS

    async def measure(self, world: World) -> Measurement:
        """Carry them out in one load process, which stands where the server does in the others."""
        job = BareJob(
            redis_url=world.redis_url,
            prefix=BARE_PREFIX,
            sessions=min(world.sizes.sessions, 256),
            callers=self.callers,
            warm_s=world.sizes.warm_s,
            run_s=world.sizes.run_s,
        )
        measured = await world.crew.measure([job], {"redis": [world.stack.redis.pid]})
        measured.cpu_s["server"] = measured.cpu_s.pop("load")
        await world.empty_outbox(BARE_PREFIX)
        return measured


def baselines() -> list[Scenario]:
    """Return all of them."""
    return [
        EchoCalls("echo", "empty unary call, 32 callers"),
        EchoCalls("echo_1", "empty unary call, one caller", callers=1),
        EchoCalls("echo_paced", "empty unary call at the rate of switch_paced", against=("switch",), share=QUARTER),
        EchoStream("echo_stream", "empty message over a bidirectional stream, 2 x 32 on their way"),
        Bare("bare", "bare Redis transaction of a switch, 32 callers"),
        Bare("bare_1", "bare Redis transaction of a switch, one caller", callers=1),
    ]
