"""Large digits, three lines high, out of the lines that every terminal can draw."""

from typing import Final

_GLYPHS: Final = {
    "0": ("┏━┓", "┃ ┃", "┗━┛"),
    "1": (" ┓ ", " ┃ ", " ┻ "),
    "2": ("┏━┓", "┏━┛", "┗━━"),
    "3": ("━━┓", " ━┫", "━━┛"),
    "4": ("┃ ┃", "┗━┫", "  ┃"),
    "5": ("┏━━", "┗━┓", "━━┛"),
    "6": ("┏━━", "┣━┓", "┗━┛"),
    "7": ("━━┓", "  ┃", "  ┃"),
    "8": ("┏━┓", "┣━┫", "┗━┛"),
    "9": ("┏━┓", "┗━┫", "━━┛"),
    ":": (" ", "•", "•"),
    ".": (" ", " ", "•"),
    "-": ("  ", "━━", "  "),
    " ": (" ", " ", " "),
}


def big(text: str) -> list[str]:
    """Return a text of digits in large ones, line by line; any other text as it is, on a line of its own."""
    if not text or any(sign not in _GLYPHS for sign in text):
        return [text]
    return [" ".join(_GLYPHS[sign][line] for sign in text) for line in range(3)]
