"""What can be wrong with an archive, each with what to do about it."""

from app.domain.errors import OperatorError, TradingBotError


class ArchiveDamaged(TradingBotError):  # noqa: N818 - reads as what it is
    """The archive is not what was written: no row of it may be used. The message says where it stops adding up."""

    def __init__(self, where: str) -> None:
        super().__init__(f"the archive is damaged: {where}. Take another one; this one cannot be trusted in any part")


class WrongKey(OperatorError):  # noqa: N818
    """The archive says that it was made with another ENCRYPTION_KEY, of this name."""

    def __init__(self, made_with: str, message: str) -> None:
        super().__init__(message)
        self.made_with = made_with
