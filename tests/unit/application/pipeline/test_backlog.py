"""How full the store may get: logged at a half, refused at nine tenths, and over by itself."""

import pytest
import structlog

from synckairos.application.errors import AuditBacklog
from synckairos.application.pipeline.backlog import BacklogLimit
from tests.unit.application.pipeline.observed_pipeline import ObservedPipeline


def is_refusing(limit: BacklogLimit) -> bool:
    """Whether callers are refused."""
    try:
        limit.require()
    except AuditBacklog:
        return True
    return False


COURSES: dict[str, tuple[list[float | None], list[bool], list[tuple[str, bool]]]] = {
    "without a bound": ([None, None], [False, False], []),
    "nearly empty": ([0.0, 0.2, 0.499], [False] * 3, []),
    "half full is told once": ([0.5, 0.6, 0.7], [False] * 3, [("warning", False)]),
    "full is refused": ([0.9, 1.0, 1.2], [True] * 3, [("critical", True)]),
    "up and down": (
        [0.4, 0.5, 0.95, 0.8, 0.3],
        [False, False, True, False, False],
        [("warning", False), ("critical", True), ("warning", False), ("info", False)],
    ),
    "around the limit nothing is told again and again": (
        [0.9, 0.895, 0.9, 0.885, 0.9],
        [True] * 5,
        [("critical", True)],
    ),
    "around the half neither": ([0.5, 0.49, 0.51, 0.485], [False] * 4, [("warning", False)]),
    "from full to empty": ([0.95, 0.1], [True, False], [("critical", True), ("info", False)]),
    "the bound was taken away": ([0.95, None], [True, False], [("critical", True), ("info", False)]),
}


@pytest.mark.parametrize("name", COURSES)
def test_callers_are_refused_and_changes_are_logged_by_the_share_in_use(name: str) -> None:
    """Shares of the memory, whether callers are refused after each, and the lines logged."""
    shares, refusing, told = COURSES[name]
    observed = ObservedPipeline()
    limit = BacklogLimit(observed)

    with structlog.testing.capture_logs() as logs:
        seen = []
        for share in shares:
            limit.note(share)
            seen.append(is_refusing(limit))

    assert seen == refusing
    assert [(log["log_level"], log["refusing"]) for log in logs] == told
    assert observed.shares == [share or 0.0 for share in shares]


def test_a_refusal_says_when_to_come_back() -> None:
    """It carries a reason and a pause."""
    limit = BacklogLimit(ObservedPipeline())
    limit.note(0.97)

    with pytest.raises(AuditBacklog, match="97") as refused:
        limit.require()

    assert refused.value.retry_after_ms > 0
