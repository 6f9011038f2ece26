"""Exceptions are for the unexpected, and say who must act. Business refusals are values (decision.Refusal).

TradingBotError
├── OperatorError           a person must change something: settings, keys, files
│   ├── BadSettings
│   ├── BadRegistry
│   └── SchemaBehind        the database is older than this code: somebody has to migrate it
├── Retryable               try again later; nothing was lost
│   ├── StorageUnavailable  the database did not take it
│   └── VenueUnavailable    a question to the exchange went unanswered (an order's outcome is never this)
├── VersionConflict         somebody else appended to the stream first: read again, decide again
├── LaneLost                the lease on the lane is gone: stop, another worker has it
└── ChainBroken             the audit chain does not add up: `seq` names the first bad row
"""


class TradingBotError(Exception):
    """The root of everything the bot raises on purpose."""


class OperatorError(TradingBotError):
    """A person must change something. The message says what."""


class BadSettings(OperatorError):  # noqa: N818 - reads as what it is
    pass


class BadRegistry(OperatorError):  # noqa: N818
    pass


class SchemaBehind(OperatorError):  # noqa: N818
    pass


class Retryable(TradingBotError):  # noqa: N818
    """Try again later; nothing was lost."""


class StorageUnavailable(Retryable):
    pass


class StorageRefused(StorageUnavailable):
    """The database answers and does not let us in: no such user, password or database. Somebody has to change that."""


class VenueUnavailable(Retryable):
    pass


class VersionConflict(TradingBotError):  # noqa: N818
    pass


class LaneLost(TradingBotError):  # noqa: N818
    pass


class ChainBroken(TradingBotError):  # noqa: N818
    def __init__(self, seq: int, why: str) -> None:
        super().__init__(f"event {seq}: {why}")
        self.seq = seq
        self.why = why
