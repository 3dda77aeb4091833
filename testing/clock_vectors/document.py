"""The vectors as a document: each case with the reply it was read from, and what its clocks show at chosen instants."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from synckairos.domain import timing
from synckairos.domain.controls.phases import phases
from synckairos.domain.model import Session
from testing.clock_vectors.cases import Case, cases
from testing.clock_vectors.figures import as_json, reply, view

FILE: Final = Path(__file__).parents[2] / "clients/vectors/session_clock.json"

ABOUT: Final = """\
What the clocks of sessions show, for clients that compute it by themselves. Each case has a reply of GetSession, in
proto JSON (`update`), and what the clocks show at instants of the session's time, in ms since 1970 (`views`). Before
the reply's serverTime they show what they show then. `is_due`: something has fallen due, and only a newer version
tells what it has changed; until it comes, the clocks stand as they did at that instant. `holders` are the
participants or groups in their order, or the session itself with an empty holder_id. `display_ms` changes by `rate`
ms each ms, until the phase changes. The other figures are those of GetSession at that instant; one that the clock
does not have is left out.\
"""


def text() -> str:
    """Return the whole document."""
    rows = [_lines(case) for case in cases()]
    return f'{{\n"about": {json.dumps(" ".join(ABOUT.split()))},\n"cases": [\n' + ",\n".join(rows) + "\n]\n}\n"


def _lines(case: Case) -> str:
    shown = [_compact(view(case.session, case.taken, at)) for at in looks(case.session, case.taken)]
    update = _compact(as_json(reply(case.session, case.taken)))
    views = ",\n".join(shown)
    return f'{{"name": {json.dumps(case.name)},\n"update": {update},\n"views": [\n{views}\n]}}'


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def looks(session: Session, taken: int) -> list[int]:
    """Return the instants to look at: the first, and around those at which something changes, but not all of many."""
    begun = [at for at, _ in phases(session, taken)]
    due = timing.deadline_at(session)
    changes = [*begun[:2], *begun[-1:], *([] if due is None else [due])]
    turns = {taken, *changes}
    around = {at + beside for at in {max(turns), *changes[1:2]} for beside in (-1, 1)}
    between = {(one + other) // 2 for one, other in pairwise(sorted(turns))}
    return sorted({taken - 50, *turns, *around, *between, max(turns) + 7_654} - {taken - 1})
