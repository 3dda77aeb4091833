"""Durations and numbers in English words."""

from typing import Final

_UNITS: Final = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000))


def in_words(duration_ms: int) -> str:
    """Return a duration as in `1 hour 30 minutes`, exact to the millisecond."""
    if 0 < duration_ms < 1_000:
        return counted(duration_ms, "millisecond")
    parts, rest = [], duration_ms
    for unit, length in _UNITS:
        number, rest = divmod(rest, length)
        parts += [counted(number, unit)] if number else []
    if rest or not parts:
        seconds, ms = divmod(rest, 1_000)
        parts.append(f"{seconds}.{ms:03}".rstrip("0") + " seconds" if ms else counted(seconds, "second"))
    return " ".join(parts)


def each(duration_ms: int) -> str:
    """Return a duration after `each` or `every`, as in `minute` and `30 seconds`."""
    words = in_words(duration_ms)
    one, _, unit = words.partition(" ")
    return unit if one == "1" and " " not in unit else words


def counted(number: int, noun: str) -> str:
    """Return a number of things, as in `1 turn` and `5 turns`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ")
