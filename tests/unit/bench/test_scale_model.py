"""The model of a deployment: what a demand comes to, and the machines for it."""

from typing import Final

import pytest

from bench.scale.model import ENVELOPE_BYTES, Costs, Demand, Need, need, plan

COSTS: Final = Costs(
    idle_server_cores=0.02,
    idle_redis_cores=0.01,
    switch_server_us=400.0,
    switch_redis_us=50.0,
    event_us=30.0,
    tick_us=20.0,
    expiry_server_us=300.0,
    expiry_redis_us=60.0,
    session_bytes=300.0,
    stream_bytes=700.0,
    event_bytes=200.0,
    watcher_bytes=10_000.0,
    message_bytes=500.0,
    tick_bytes=50.0,
)


def test_nothing_is_idle() -> None:
    """A server that nobody calls, and a Redis that holds sessions."""
    found = need(Demand(1_000, retained=2), COSTS)

    assert found == Need(0.02, 0.01, 1_000 * (300 + 700 + 2 * 200), 0.0, 0.0)


def test_every_watcher_is_told_of_every_change_of_its_session() -> None:
    """100 changes a second, and two watchers a session: 200 events."""
    demand = Demand(1_000, watchers=2_000, switches=80.0, expiries=20.0)

    found = need(demand, COSTS)

    assert demand.events == pytest.approx(200.0)
    assert found.server_cores == pytest.approx(0.02 + (80 * 400 + 20 * 300 + 200 * 30) / 1e6)
    assert found.redis_cores == pytest.approx(0.01 + (80 * 50 + 20 * 60) / 1e6)
    assert found.server_bytes == pytest.approx(2_000 * 10_000)
    assert found.network_bytes == pytest.approx((80 + 200) * (500 + ENVELOPE_BYTES))


def test_ticks_cost_servers_and_the_network_alone() -> None:
    """Redis does not know of them."""
    quiet, ticking = (need(Demand(1_000, watchers=1_000, ticks=ticks), COSTS) for ticks in (0.0, 1_000.0))

    assert ticking.redis_cores == quiet.redis_cores
    assert ticking.server_cores - quiet.server_cores == pytest.approx(0.02)
    assert ticking.network_bytes - quiet.network_bytes == pytest.approx(1_000 * (50 + ENVELOPE_BYTES))


@pytest.mark.parametrize(
    ("needed", "machines"),
    [
        (Need(0.0, 0.0, 0.0, 0.0, 0.0), (1, 1)),
        (Need(0.6, 0.6, 1e9, 0.0, 0.0), (1, 1)),
        (Need(0.7, 0.5, 1e9, 0.0, 0.0), (2, 1)),
        (Need(0.1, 1.3, 1e9, 0.0, 0.0), (1, 3)),
        (Need(0.1, 0.1, 9e9, 0.0, 0.0), (1, 3)),
    ],
    ids=["nothing", "full", "servers", "cores of Redis", "memory of Redis"],
)
def test_machines_keep_room(needed: Need, machines: tuple[int, int]) -> None:
    """Whatever is short first decides how many masters there are."""
    made = plan(needed, most_bytes=4e9)

    assert (made.servers, made.masters) == machines
    assert made.master_bytes == needed.redis_bytes / made.masters
