"""Settings that change while the process runs: secrets that are rotated where they are kept.

A change counts only when all settings together are sound; otherwise those in force stay, whatever is asked for. A store
that does not answer changes nothing. Everything here blocks: run it in a thread where an event loop runs.
"""

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from app.domain.errors import BadSettings
from app.settings import Fetch, Settings, load_settings
from app.settings.shapes import SecretRef

log = structlog.get_logger(__name__)
_STRATEGIES = "STRATEGIES_FILE"  # the name under which the file's text is fetched


class SettingsSource:
    """Where settings come from, asked at the start and again and again. One thread at a time.

    `fetch` gives the values of secrets; `env`, `env_file` and `trades` are as in load_settings.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        env: Mapping[str, str] | None = None,
        env_file: Path | None = Path(".env"),
        trades: bool = True,
    ) -> None:
        self._fetch = fetch
        self._env = env
        self._env_file = env_file
        self._trades = trades
        self._values: dict[str, str] = {}  # the newest known; what cannot be read now keeps its last value
        self._strategies = ""
        self._news: set[str] = set()
        self.problem = ""  # why the newest values are not in force; "" when they are

    def first(self) -> Settings:
        """The settings at the start; writes the strategies' file too. Raises BadSettings."""
        self.current = load_settings(self._env, self._env_file, fetch=self._first, trades=self._trades)
        try:
            self._keep_strategies(self._fetch(self._strategies_ref()))
        except OSError as error:
            file = self.current.intake.strategies_file
            raise BadSettings(f"STRATEGIES_FILE={file} cannot be written: {error.strerror}") from error
        return self.current

    @property
    def rotates(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.current.cloud.secrets or self.current.cloud.strategies_secret)

    def changed(self) -> Settings | None:
        """Look again. The new settings, or None when nothing has changed.

        Raises BadSettings, once per change, when the new values cannot be used.
        """
        found = self._fetch((*self.current.cloud.secrets, *self._strategies_ref()))
        try:
            self._keep_strategies(found)
        except OSError as error:  # tried again at the next look; it must not hold up the secrets
            log.error("the strategies' file cannot be written", why=error.strerror)  # noqa: TRY400 - the why is all
        values = self._values | {name: value for name, value in found.items() if name != _STRATEGIES}
        if values == self._values:
            return None
        self._news |= {name for name in values if values[name] != self._values.get(name)}
        self._values = values
        try:
            settings = load_settings(self._env, self._env_file, fetch=lambda _: values, trades=self._trades)
        except BadSettings as error:
            self.problem = str(error)
            raise
        self.problem = ""
        if settings == self.current:
            return None
        self.current = settings
        return settings

    def take_news(self) -> list[str]:
        """The names of the settings whose values have changed since this was last asked."""
        names, self._news = sorted(self._news), set()
        return names

    def _first(self, refs: Sequence[SecretRef]) -> Mapping[str, str]:
        self._values = dict(self._fetch(refs))
        return self._values

    def _strategies_ref(self) -> tuple[SecretRef, ...]:
        secret = self.current.cloud.strategies_secret
        return (SecretRef(_STRATEGIES, secret, ""),) if secret else ()

    def _keep_strategies(self, found: Mapping[str, str]) -> None:
        text = found.get(_STRATEGIES, "")
        if text.strip() and text != self._strategies:
            _replace(self.current.intake.strategies_file, text)
            self._strategies = text


def _replace(path: Path, text: str) -> None:
    """Whoever reads the file sees all of the old text or all of the new; nobody else may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
