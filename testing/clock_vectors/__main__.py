"""Writes clients/vectors/session_clock.json anew.

python -m testing.clock_vectors
"""

from testing.clock_vectors.document import FILE, text


def main() -> None:
    """Write the vectors."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text())


if __name__ == "__main__":
    main()
