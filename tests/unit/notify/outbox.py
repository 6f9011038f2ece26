"""An outbox in memory."""

from app.domain.errors import StorageUnavailable


class MemoryOutbox:
    """The port's promises, kept in lists: the same key once, oldest first, failures kept with their error."""

    def __init__(self, *texts: str) -> None:
        self.waiting = {f"k{index}": text for index, text in enumerate(texts)}
        self.done: list[str] = []
        self.errors: list[tuple[str, str]] = []
        self.broken = False

    async def put(self, key: str, text: str) -> None:
        self.waiting.setdefault(key, text)

    async def due(self, limit: int) -> list[tuple[str, str]]:
        if self.broken:
            raise StorageUnavailable("no answer")
        return list(self.waiting.items())[:limit]

    async def delivered(self, key: str) -> None:
        self.done.append(self.waiting.pop(key))

    async def failed(self, key: str, error: str) -> None:
        self.errors.append((key, error))
