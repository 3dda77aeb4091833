"""What doctor makes of a database's account."""

import pytest

from synckairos.adapters.postgres.condition import DatabaseCondition
from synckairos.cli.doctor.database import _judged

GOOD = DatabaseCondition(150_000, "15.0", is_standby=False, is_superuser=False, passes_policies=False, account="sk")


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        (GOOD, []),
        (GOOD._replace(is_superuser=True, passes_policies=True), ["superuser"]),
        (GOOD._replace(passes_policies=True), ["row security"]),
    ],
)
def test_an_account_that_no_policy_holds_is_told(condition: DatabaseCondition, told: list[str]) -> None:
    """Whatever it passes them by."""
    found = [one for one in _judged(condition) if one.name == "postgres.account"]

    assert len(found) == len(told)
    assert all(word in one.what for word, one in zip(told, found, strict=True))
