"""Sample sessions: as the rules would have them, ended, and the same for the same seed."""

from itertools import pairwise

from synckairos.application.trail.sample_data import LABELS, SPAN_MS, sample_sessions
from synckairos.domain.events import EventType
from synckairos.domain.model import TERMINAL
from synckairos.domain.tenancy import DEFAULT_TENANT, name_of
from synckairos.domain.timing import Lifetimes

NOW = 1_795_262_400_000


def test_every_sample_session_is_a_whole_life_that_has_ended() -> None:
    """Version by version from its creation, in the week before, of several modes and with several ends."""
    lives = list(sample_sessions(200, 1, NOW, Lifetimes()))

    sessions = [[record.event.session for record in records] for records in lives]
    for life in sessions:
        assert [one.version for one in life] == list(range(1, len(life) + 1))
        assert life[-1].status in TERMINAL
        assert life[-1].labels == LABELS
        assert NOW - SPAN_MS <= life[0].created_at < NOW
        assert all(one.updated_at <= other.updated_at for one, other in pairwise(life))
    assert len({life[0].session_id for life in sessions}) == 200
    assert len({life[0].rules.mode for life in sessions}) == 3
    assert len({life[-1].status for life in sessions}) == 3
    first, second = lives[0][:2]
    assert first.changed == ()
    assert {"status", "started_at", "cycle_number"} <= set(second.changed)
    types = {record.event.type for records in lives for record in records}
    assert {EventType.CYCLE_SWITCHED, EventType.SESSION_PAUSED, EventType.SESSION_EXPIRED} <= types


def test_sample_sessions_are_those_of_the_tenant_asked_for() -> None:
    """The same ones, but for whose they are."""
    names = {
        tenant: [name_of(one[0].event.session.session_id) for one in sample_sessions(5, 1, NOW, Lifetimes(), tenant)]
        for tenant in ("acme", DEFAULT_TENANT)
    }

    assert all({name.tenant for name in its_own} == {tenant} for tenant, its_own in names.items())
    assert [one.session_id for one in names["acme"]] == [one.session_id for one in names[DEFAULT_TENANT]]


def test_a_seed_gives_the_same_sessions_again() -> None:
    """And another one others."""
    first, again, other = (list(sample_sessions(20, seed, NOW, Lifetimes())) for seed in (7, 7, 8))

    assert first == again
    assert first != other
