"""The rules in force: who is behind a secret, and what a strategy may do. Follows the file while the bot runs."""

import hmac
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from app.domain.errors import BadRegistry
from app.domain.ids import AccountId, StrategyId
from app.domain.policy import Proven, SecretKind, StrategyProfile
from app.pipeline.message.model import Secret
from app.registry.parse import DEFAULT_ACCOUNT, Entry, parse
from app.registry.secret_rules import digest, weakness

DEFAULT_STRATEGY = StrategyId("default")  # in paper mode, of a message that names none
CHECK_EVERY_S = 1.0

_Stamp = tuple[int, int, int]


class Registry:
    """Reads the file at start (raises BadRegistry) and again when it has changed, looked at once a second at most.

    `paper` relaxes two rules: secrets may be simple, and a strategy that is not in the file may use `webhook_secret`.
    `alarm` is told, once per version of the file, when a change cannot be used; the rules in force then stay.
    """

    def __init__(
        self,
        path: Path,
        *,
        paper: bool,
        webhook_secret: str,
        monotonic: Callable[[], float],
        alarm: Callable[[str], None],
        accounts: Collection[AccountId] | None = None,
    ) -> None:
        self._path = path
        self._paper = paper
        self._accounts = accounts
        self._monotonic = monotonic
        self._alarm = alarm
        weak = weakness(webhook_secret, paper=paper) if webhook_secret else None
        if weak:
            raise BadRegistry(f"WEBHOOK_SECRET {weak}; make one with: openssl rand -base64 48")
        self._shared = digest(webhook_secret) if webhook_secret else None
        self._seen = self._stamp()
        self._checked_at = monotonic()
        self._entries = self._load()

    def authenticate(self, strategy: StrategyId | None, secret: Secret) -> Proven | None:
        """The strategy that this secret proves, or None: an unknown name and a wrong secret look alike.

        Every known secret is compared, in constant time, whatever name was given, so timing tells nothing either.
        Without a name the secret alone says which strategy it is.
        """
        self._refresh()
        given = digest(secret.reveal())
        owner: StrategyId | None = None
        kind: SecretKind = "current"
        shared = self._shared is not None and hmac.compare_digest(given, self._shared)
        for name, entry in self._entries.items():
            current = hmac.compare_digest(given, entry.current or bytes(len(given))) and entry.current is not None
            upcoming = hmac.compare_digest(given, entry.upcoming or bytes(len(given))) and entry.upcoming is not None
            if current or upcoming:
                owner, kind = name, "current" if current else "upcoming"
        if not secret:
            return None
        if owner is not None:
            return Proven(self._entries[owner].profile, kind) if strategy in (None, owner) else None
        profile = self._shared_profile(strategy) if shared else None
        return None if profile is None else Proven(profile, "shared")

    def profile(self, strategy: StrategyId) -> StrategyProfile | None:
        """What the strategy may do now; None when it has been removed."""
        self._refresh()
        entry = self._entries.get(strategy)
        if entry is not None:
            return entry.profile
        return _default_profile(strategy) if self._paper and self._shared else None

    def profiles(self) -> tuple[StrategyProfile, ...]:
        """Those of the file, in its order."""
        self._refresh()
        return tuple(entry.profile for entry in self._entries.values())

    def _shared_profile(self, strategy: StrategyId | None) -> StrategyProfile | None:
        """Who may use WEBHOOK_SECRET: strategies without a secret of their own, and in paper mode newcomers."""
        without_own = {
            name: entry
            for name, entry in self._entries.items()
            if entry.current is None and entry.profile.runs is None  # what the bot runs itself takes no messages
        }
        if strategy is None and len(without_own) == 1:
            return next(iter(without_own.values())).profile
        if strategy in without_own:
            return without_own[strategy].profile
        if self._paper and strategy not in self._entries:
            return _default_profile(strategy or DEFAULT_STRATEGY)
        return None

    def _refresh(self) -> None:
        now = self._monotonic()
        if now - self._checked_at < CHECK_EVERY_S:
            return
        self._checked_at = now
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        if stamp is None:
            self._alarm(f"The strategy registry {self._path.name} is gone; the old rules stay in force.")
            return
        try:
            self._entries = self._load()
        except BadRegistry as error:
            self._alarm(f"The strategy registry was changed and cannot be used; the old rules stay in force. {error}")

    def _load(self) -> Mapping[StrategyId, Entry]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            if self._paper:
                return {}
            raise BadRegistry(f"{self._path} does not exist; make it with: tradingbot strategy add") from None
        except (OSError, UnicodeDecodeError) as error:
            raise BadRegistry(f"{self._path} cannot be read: {error}") from None
        entries = parse(text, file=self._path.name, paper=self._paper, accounts=self._accounts)
        for name, entry in entries.items():
            nobody = entry.current is None and entry.upcoming is None and self._shared is None
            if nobody and entry.profile.runs is None:
                raise BadRegistry(
                    f"{self._path.name}: strategies.{name} has no secret and WEBHOOK_SECRET is not set; "
                    f"make one with: tradingbot strategy rotate {name}"
                )
        return entries

    def _stamp(self) -> _Stamp | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _default_profile(strategy: StrategyId) -> StrategyProfile:
    return StrategyProfile(strategy, DEFAULT_ACCOUNT, symbols=frozenset())
