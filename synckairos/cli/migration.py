"""Applying migrations from the command line."""

from pathlib import Path

from synckairos.adapters.postgres_migrations import apply_migrations
from synckairos.settings import Settings


def migrations_folder() -> Path:
    """Return where the migrations lie: in the wheel beside the package, in a checkout beside `synckairos/`."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


async def migrate(settings: Settings) -> list[str]:
    """Apply what is not applied yet and return the names."""
    if settings.database_url is None:
        return []
    return await apply_migrations(settings.database_url.get_secret_value(), migrations_folder())
