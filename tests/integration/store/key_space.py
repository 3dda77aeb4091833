"""Everything a server stores, to tell whether a call has stored anything."""

from typing import Any, Self

from redis.asyncio import Redis


class KeySpace:
    """The keys under one server's prefix."""

    def __init__(self, redis_url: str, prefix: str) -> None:
        self._redis: Redis[bytes] = Redis.from_url(redis_url)  # type: ignore[type-arg] # generic in stubs only
        self._pattern = f"{prefix}:*"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._redis.aclose()

    async def content(self) -> dict[bytes, bytes]:
        """Return every key with its value as Redis would dump it; when it expires is left out."""
        keys = sorted({key async for key in self._redis.scan_iter(self._pattern, count=5_000)})
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.dump(key)
            return dict(zip(keys, await pipeline.execute(), strict=True))

    async def restore(self, content: dict[bytes, bytes]) -> None:
        """Make the keys what they were; they do not expire any more."""
        now = await self.content()
        async with self._redis.pipeline(transaction=True) as pipeline:
            for key in now.keys() - content.keys():
                pipeline.delete(key)
            for key, value in content.items():
                if now.get(key) != value:
                    pipeline.restore(key, 0, value, replace=True)
            await pipeline.execute()

    async def channels(self) -> list[Any]:
        """Return the channels anybody under this prefix listens to."""
        found: list[Any] = await self._redis.pubsub_channels(self._pattern)
        return found
