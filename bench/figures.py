"""The figures that a run is judged by: one for each round, from measurements made side by side, then the median."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from bench.load import samples
from bench.load.load_pool import Measurement
from bench.rounds import Outcome, Round


class Figure(NamedTuple):
    """A number, and how it follows from one round of a scenario."""

    name: str
    scenario: str
    text: str
    of: Callable[[Round], float]
    over_rounds: Callable[[list[float]], float] = samples.median


def _p(share: float, measured: Measurement) -> float:
    return samples.percentile(sorted(measured.latencies), share)


def _rate(base: str) -> Callable[[Round], float]:
    return lambda one: _over(one.measured.rate, one.baselines[base].rate)


def _latency(share: float, *bases: str) -> Callable[[Round], float]:
    return lambda one: _over(_p(share, one.measured), sum(_p(share, one.baselines[base]) for base in bases))


def _ms(share: float) -> Callable[[Round], float]:
    return lambda one: _p(share, one.measured) * 1_000


def _extra(name: str, unit: float = 1.0) -> Callable[[Round], float]:
    return lambda one: one.measured.extra[name] / unit


def _extras(name: str, base: str) -> Callable[[Round], float]:
    return lambda one: _over(one.measured.extra[name], one.measured.extra[base])


def _cpu_apart(base: str) -> Callable[[Round], float]:
    def apart(one: Round) -> float:
        return abs(_over(one.measured.cpu_per_call("server"), one.baselines[base].cpu_per_call("server")) - 1)

    return apart


def _cpu(base: str) -> Callable[[Round], float]:
    return lambda one: _over(one.measured.cpu_per_call("server"), one.baselines[base].cpu_per_call("server"))


def _time_over_work(share: float) -> Callable[[Round], float]:
    def over_work(one: Round) -> float:
        work_s = one.measured.cpu_per_call("server") + one.measured.cpu_per_call("redis")
        return _over(_p(share, one.measured), work_s)

    return over_work


def _longest_outbox_s(one: Round) -> float:
    return _over(one.measured.extra["outbox_longest"], one.measured.rate)


def _over(value: float, base: float) -> float:
    return value / base if base else 0.0


FIGURES: Final = (
    Figure("get/echo", "get", "GetSession / echo, rate", _rate("echo")),
    Figure("create/echo", "create", "CreateSession / echo, rate", _rate("echo")),
    Figure("switch/echo", "switch", "SwitchCycle / echo, rate, 32 callers", _rate("echo")),
    Figure("switch/bare", "switch", "SwitchCycle / bare transaction, rate, 32 callers", _rate("bare")),
    Figure("switch_1/floor", "switch_1", "one caller: p50 / (echo + bare)", _latency(0.5, "echo_1", "bare_1")),
    Figure("switch_1/cpu", "switch_1", "one caller: p50 / CPU of server and Redis", _time_over_work(0.5)),
    Figure("switch_1_best/cpu", "switch_1", "the same: p10 of the best round / CPU", _time_over_work(0.1), min),
    Figure("switch_ids/switch", "switch_ids", "with request_id / without, rate", _rate("switch")),
    Figure("mixed/echo", "mixed", "mixed load / echo, rate", _rate("echo")),
    Figure("commands/switch", "commands", "ExecuteCommands / SwitchCycle, rate", _rate("switch")),
    Figure("commands_32/switch", "commands_32", "commands, 32 in a message / SwitchCycle, rate", _rate("switch")),
    Figure("commands/stream", "commands", "ExecuteCommands / echo stream, rate", _rate("echo_stream")),
    Figure("drained/switch", "switch_drained", "with a worker / without, rate", _rate("switch")),
    Figure("drained_outbox_s", "switch_drained", "with a worker: longest outbox / rate, s", _longest_outbox_s),
    Figure("outage/switch", "switch_outage", "PostgreSQL stopped / running, rate", _rate("switch")),
    Figure("pair/switch", "switch_pair", "two servers / one, rate", _rate("switch")),
    Figure("pair_cpu", "switch_pair", "two servers / one, server CPU a call: apart by", _cpu_apart("switch")),
    Figure("contended/switch", "contended", "64 callers on one session / uncontended, rate", _rate("switch")),
    Figure("contended_max_ms", "contended", "64 callers on one session: slowest, ms", _ms(1.0), max),
    Figure("contended_pair_max_ms", "contended_pair", "the same on two servers: slowest, ms", _ms(1.0), max),
    Figure("paced_p50/echo", "switch_paced", "at 25 % of the maximum: p50 / echo", _latency(0.5, "echo_paced")),
    Figure("paced_p99/echo", "switch_paced", "at 25 % of the maximum: p99 / echo", _latency(0.99, "echo_paced")),
    Figure("fan_out_us", "fan_out", "server CPU an event delivered, us", _extra("us_per_event")),
    Figure("fan_out/echo", "fan_out", "the same / a bare gRPC stream's message", _cpu("echo_fan_out")),
    Figure("fan_out_last_ms", "fan_out", "last watcher after the call, p50, ms", _ms(0.5)),
    Figure("fan_out_many_us", "fan_out_many", "the same with many: server CPU an event, us", _extra("us_per_event")),
    Figure("fan_out_many_last_ms", "fan_out_many", "last of many watchers after the call, p50, ms", _ms(0.5)),
    Figure("storm_kb", "storm", "connecting at once: server memory a watcher, KB", _extra("bytes_per_watcher", 1_024)),
    Figure("ticking_core", "ticking", "a watcher each, 1 s ticks: share of a core", _extra("core")),
    Figure("propagation_p50_ms", "propagation", "from server to server, p50, ms", _ms(0.5)),
    Figure("expiry_p50_ms", "expiry", "lateness of expiries, p50, ms", _ms(0.5)),
    Figure("expiry_p99_ms", "expiry", "lateness of expiries, p99, ms", _ms(0.99)),
    Figure("large/small", "size_large", "many live sessions / 1 000, rate", _rate("size_small")),
    Figure("session_bytes", "weight", "a session in Redis, bytes", _extra("bytes_per_session")),
    Figure("event_bytes", "weight", "a retained event in Redis, bytes", _extra("bytes_per_event")),
    Figure("stalled_p99/readers", "readers_stalled", "p99 with a stalled reader / without", _latency(0.99, "readers")),
    Figure("drain_rate", "drain", "events drained a second", lambda one: one.measured.rate),
    Figure("drain/writes", "drain", "events drained / written without a worker, rate", _rate("trail_writes")),
    Figure("page_first_ms", "pages", "first page of a history, p50, ms", _extra("first_p50_ms")),
    Figure("page_middle_ms", "pages", "page in the middle, p50, ms", _ms(0.5)),
    Figure("crowd/full", "overload", "3 x the callers / a full server, rate", _extras("crowd_rate", "full_rate")),
    Figure("crowd_p99/alone", "overload", "p99 of those / of one caller", _extras("crowd_p99_ms", "alone_p99_ms")),
    Figure("flood_health_ms", "overload", "health at three times the rate, p99, ms", _extra("x3_health_p99_ms")),
    Figure("flood_after/full", "overload", "within 5 s of it / before, rate", _extras("x3_after_rate", "full_rate")),
    Figure("each/shared", "processes_each", "a port each / a shared one, rate", _rate("processes")),
    Figure("replica/memory", "durability", "REPLICAS(1) / MEMORY, rate", _extras("replica_rate", "memory_rate")),
    Figure("replica_p50", "durability", "the same, p50", _extras("replica_p50_ms", "memory_p50_ms")),
    Figure("always/memory", "durability", "FSYNC / MEMORY, always", _extras("always_rate", "memory_always_rate")),
    Figure("always_p50", "durability", "the same, p50", _extras("always_p50_ms", "memory_always_p50_ms")),
    Figure("cluster_cpu_1", "cluster", "3 masters / 1 Redis: CPU, 1 caller", _extras("3_1_server_us", "0_1_server_us")),
    Figure("cluster_cpu_32", "cluster", "the same, 32 callers", _extras("3_32_server_us", "0_32_server_us")),
    Figure("cluster_cpu_512", "cluster", "the same, 512 callers", _extras("3_512_server_us", "0_512_server_us")),
    Figure("failover_after_ms", "failover", "cluster: settled after a failover, p50, ms", _ms(0.5)),
    Figure("failover_sentinel_ms", "failover_sentinel", "Sentinels: the same", _ms(0.5)),
    Figure("start_ms", "start", "start of a server, p50, ms", _ms(0.5)),
)  # fmt: skip


def of_participants(count: int) -> Figure:
    """Return the figure of a session with this many participants."""
    name = f"switch_{count}p"
    return Figure(f"{name}/switch", name, f"{count:,} participants / 2, rate", _rate("switch"))


def computed(outcomes: Mapping[str, Outcome], participants: tuple[int, ...]) -> dict[str, tuple[str, float]]:
    """Return the text and the value of each figure whose scenario was measured with its baselines."""
    found = {}
    for figure in (*FIGURES, *(of_participants(count) for count in participants if count != 2)):
        outcome = outcomes.get(figure.scenario)
        if outcome is None:
            continue
        needed = set(outcome.scenario.against)
        values = [figure.of(one) for one in outcome.rounds if needed <= one.baselines.keys()]
        if values:
            found[figure.name] = (figure.text, figure.over_rounds(values))
    return found
