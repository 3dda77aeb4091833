"""What a query asks for, put together from what it was asked: no condition that nobody asked stands in a plan's way."""

from synckairos.adapters.postgres.database import Statement


class Conditions:
    """Conditions and their values, after the values that the statement has before them; None stands for all tenants."""

    def __init__(self, tenant: str | None, *values: object) -> None:
        self.tenant = tenant
        self.values = list(values)
        self._texts: list[str] = []
        if tenant is not None:
            self.add("tenant = {}", tenant)

    def add(self, text: str, *values: object) -> None:
        """Ask for this too; `{}` in it stands for the values, in order."""
        numbers = range(len(self.values) + 1, len(self.values) + 1 + len(values))
        self._texts.append(text.format(*(f"${number}" for number in numbers)))
        self.values += values

    def bound(self, column: str, start: int | None, end: int | None) -> None:
        """Ask for instants (ms since 1970) from `start` on and before `end`."""
        if start is not None:
            self.add(column + " >= to_timestamp({}::bigint / 1000.0::float8)", start)
        if end is not None:
            self.add(column + " < to_timestamp({}::bigint / 1000.0::float8)", end)

    def choose(self, column: str, names: list[str]) -> None:
        """Ask for our own names, as constants: for no other value does the planner take an index of some rows only."""
        if len(names) == 1:
            # Not as a list of one: an index gives its order for equality only.
            self.add(f"{column} = '{names[0]}'")
        elif names:
            listed = ", ".join(f"'{name}'" for name in names)
            self.add(f"{column} IN ({listed})")

    def statement(self, name: str, sql: str) -> Statement:
        """Return the statement with these conditions in the place of its `{}`."""
        return Statement(name, sql.format(" AND ".join(self._texts) or "true"))
