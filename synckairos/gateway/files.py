"""The console's files, as they lie in a folder."""

import hashlib
import mimetypes
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

CONSOLE: Final = Path(__file__).parents[1] / "console"
INDEX: Final = "index.html"
TEXT_TYPES: Final = {
    ".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".md": "text/plain",
    ".svg": "image/svg+xml", ".txt": "text/plain", ".json": "application/json", ".map": "application/json",
    ".webmanifest": "application/manifest+json",
}  # fmt: skip
"""What the machine's own table of types must not have a say in: scripts run only as what they are."""
HIDDEN_SUFFIXES: Final = frozenset({".py", ".pyc", ".ts"})
POLICY: Final = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
"""What a page may do: run and load what lies here, be in nobody's frame, and tell nobody where it is."""


class File(NamedTuple):
    """A file as it is answered."""

    content: bytes
    content_type: str
    etag: str


class Files:
    """Reads files of one folder; each is read again when it has changed."""

    def __init__(self, folder: Path = CONSOLE) -> None:
        self._folder = folder.resolve()
        self._read: dict[Path, tuple[tuple[int, int], File]] = {}

    def find(self, path: str) -> File | None:
        """Return the file at a URL's path, None if there is none; a folder's is its index."""
        wanted = PurePosixPath(path.lstrip("/"))
        # Hidden names, and the ways out of the folder: "..".
        if "\\" in path or "\0" in path or any(part.startswith(".") for part in wanted.parts):
            return None
        file = self._folder / wanted
        if not wanted.parts or path.endswith("/"):
            file /= INDEX
        try:
            file = file.resolve(strict=True)
            if not file.is_relative_to(self._folder) or not file.is_file() or file.suffix in HIDDEN_SUFFIXES:
                return None
            return self._load(file)
        except OSError:
            return None

    def _load(self, file: Path) -> File:
        state = file.stat()
        stamp = (state.st_mtime_ns, state.st_size)
        known = self._read.get(file)
        if known is not None and known[0] == stamp:
            return known[1]
        content = file.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        loaded = File(content, _type_of(file), etag)
        self._read[file] = (stamp, loaded)
        return loaded


def _type_of(file: Path) -> str:
    kind = TEXT_TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if file.suffix in TEXT_TYPES else kind
