"""SessionClock in random plays of sessions of every kind: it shows what the rules say, at every instant."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synckairos.client.session_clock import SessionClock
from synckairos.domain import timing
from synckairos.domain.controls.phases import phases
from synckairos.domain.model import OnExpire, Session
from testing.clock_vectors.figures import reply, view
from testing.harness.playing.random_plays import SPECS, plays
from tests.unit.client.view_figures import figures


def instants(session: Session, taken: int) -> st.SearchStrategy[int]:
    """Draw an instant at or after `taken`: near a change, or anywhere."""
    changes = [taken, *(at for at, _ in phases(session, taken))]
    due = timing.deadline_at(session)
    changes += [] if due is None else [due]
    near = st.builds(int.__add__, st.sampled_from(changes), st.integers(-2, 2))
    return st.one_of(near, st.integers(taken, taken + 30_000))


def is_told(session: Session, at: int) -> bool:
    """Whether one message tells the clocks at an instant.

    A limit of the session's running time behind a flag under NOTIFY is not told without a time control; nor is what an
    hourglass has divided already, in a turn that was in overtime and is so no more.
    """
    clock = timing.running_clock(session)
    if session.rules.on_expire is not OnExpire.NOTIFY:
        return True
    if clock.progress is not None:
        return not (clock.progress.control.flows and clock.progress.open_ms != session.charged_ms)
    end, deadline = timing.session_end_at(session), timing.deadline_at(session)
    return session.rules.session_limit_ms is None or end is None or at < end or end == deadline


@pytest.mark.random_play
@pytest.mark.parametrize("kind", SPECS)
@settings(max_examples=max(30, settings().max_examples // 3))
@given(data=st.data())
def test_clocks_show_what_the_rules_say(kind: str, data: st.DataObject) -> None:
    """Of every version, read at its own instant or later; not of one that has been deleted, which nobody reads."""
    versions = [event.session for event in data.draw(plays(SPECS[kind]))]
    session = data.draw(st.sampled_from([version for version in versions if not version.deleted]))
    due = timing.deadline_at(session)
    latest = session.updated_at + 20_000 if due is None else max(session.updated_at, due - 1)
    taken = data.draw(st.sampled_from([session.updated_at, latest]) | st.integers(session.updated_at, latest))

    clock = SessionClock(reply(session, taken))

    for at in data.draw(st.lists(instants(session, taken), min_size=3, max_size=3)):
        if is_told(session, at):
            assert figures(clock.at(at)) == view(session, taken, at)
