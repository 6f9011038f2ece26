"""Logging: one format for everybody's loggers, secrets removed last thing, and a writer that never holds anybody up.

Lines are rendered where they are logged and written by a thread of their own. When the output is blocked, closed or
full, lines are dropped and counted; trading goes on. Redaction works on the finished line, whatever logger, exception
or library it came from: registered secret values, values under secret-looking keys, bot tokens and signatures in URLs.
"""

import atexit
import contextlib
import io
import json as jsonlib
import logging
import os
import queue
import re
import sys
import threading
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, TextIO
from urllib.parse import quote

import structlog

HIDDEN = "[redacted]"
SHORTEST_SECRET = 6  # characters: hiding shorter values would black out ordinary words
QUEUED_LINES = 10_000

# These say at INFO which URL they called, token, signature and all, or repeat every frame.
_CHATTY = (
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "telegram",
    "binance",
    "websockets",
    "openai",
    "anthropic",
    "urllib3",
)
_REPEATS = ("message", "color_message")  # what other formatters and uvicorn leave on a record: the text once more

# --- redaction -----------------------------------------------------------------------------------------

_SECRET_KEY = re.compile(
    r"(secret|token|passw|passphrase|authorization|signature|cookie|credential|private|api[-_]?key|apikey|encryption[-_]?key)",
    re.IGNORECASE,
)
_PATTERNS = (
    # https://api.telegram.org/bot<id>:<secret>/sendMessage
    (re.compile(r"(?<=/bot)\d+:[\w-]{20,}"), HIDDEN),
    # a bot token anywhere else
    (re.compile(r"\b\d{6,12}:[A-Za-z0-9_-]{30,}\b"), HIDDEN),
    # ?signature=…&listenKey=… in a query string or form body
    (re.compile(r"(?i)\b(signature|listenkey|api[-_]?key|token|secret|passphrase)=[^&\s\"']+"), rf"\1={HIDDEN}"),
    # "secret": "…" in JSON and in Python's repr, also when it was escaped once more
    (
        re.compile(
            r"(?i)(\\?[\"'][\w-]*(?:secret|token|passw|passphrase|api[-_]?key|signature)[\w-]*\\?[\"']\s*:\s*\\?)"
            r"([\"'])(?:\\.|(?!\\?\2).)*"
        ),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"(?i)\b(authorization\W{1,4}(?:bearer|basic)\s+|bearer\s+)[\w.~+/=-]{6,}"), rf"\1{HIDDEN}"),
    # the password of a database or Redis address
    (re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@"), rf"\1:{HIDDEN}@"),
    # keys of the model services
    (re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"), HIDDEN),
)


class Redactor:
    """Takes secrets out of text. Values are registered once, at the start; patterns catch what nobody registered."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def register(self, values: Iterable[str]) -> None:
        """Never let these values through, plain or as a URL, JSON or Python writes them. Very short are ignored.

        Blanks and newlines at their edges do not count: they get lost where a value is used.
        """
        for value in map(str.strip, values):
            if len(value) >= SHORTEST_SECRET:
                self._values |= {value, quote(value, safe=""), repr(value)[1:-1], jsonlib.dumps(value)[1:-1]}
        longest_first = sorted(self._values, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: Any) -> Any:
        """The same value with the secrets taken out of every string and every secret-looking key inside it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "replace"))
        if isinstance(value, Mapping):
            return {
                key: HIDDEN if _names_a_secret(key) and not _harmless(item) else self.value(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        return value


def _names_a_secret(key: object) -> bool:
    return isinstance(key, str) and _SECRET_KEY.search(key) is not None


def _harmless(value: object) -> bool:
    """A count or a switch (`input_tokens=812`, `token_valid=True`) is no secret."""
    return value is None or isinstance(value, bool | int | float) or value == ""


_redactor = Redactor()


def register_secrets(values: Iterable[str]) -> None:
    """Keep these values out of every line logged from now on, in this process."""
    _redactor.register(values)


def redact(text: str) -> str:
    """Text that is about to be stored or shown, without secrets."""
    return _redactor.text(text)


def redact_value(value: Any) -> Any:
    """The same for lists and mappings that are about to leave; what stands under a secret's name goes too."""
    return _redactor.value(value)


# --- the writer -----------------------------------------------------------------------------------------


class LineWriter:
    """Writes lines to a stream from a thread of its own. `write` never blocks and never raises.

    A stream that blocks fills the queue, then lines are dropped; a stream that is closed or broken loses its lines.
    The number of lost lines is in `lost`.
    """

    def __init__(self, stream: TextIO, *, queued: int = QUEUED_LINES) -> None:
        self.lost = 0
        self._stream = stream
        self._queue: queue.Queue[str | threading.Event | None] = queue.Queue(queued)
        self._thread = threading.Thread(target=self._run, name="line-writer", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self.lost += 1

    def flush(self, timeout_s: float = 1.0) -> bool:
        """True when everything written so far is out; False when the stream did not take it in time."""
        passed = threading.Event()
        try:
            self._queue.put(passed, timeout=timeout_s)
        except queue.Full:
            return False
        return passed.wait(timeout_s)

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what is queued, for at most so long. A blocked stream is left behind with its thread."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=timeout_s)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
                continue
            try:
                self._write(item + "\n")
            except (OSError, ValueError):  # closed, broken pipe, disk full
                self.lost += 1

    def _write(self, text: str) -> None:
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError, io.UnsupportedOperation):
            self._stream.write(text)
            self._stream.flush()
            return
        # Past the stream's own buffer: a thread that is blocked inside it would abort the interpreter at its exit.
        rest = text.encode("utf-8", "backslashreplace")
        while rest:
            rest = rest[os.write(descriptor, rest) :]


class _Handler(logging.Handler):
    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self.writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - a line that cannot be rendered must not stop its author
            line = f"a log line of {record.name} could not be rendered: {type(error).__name__}"
        self.writer.write(line)


# --- set-up ---------------------------------------------------------------------------------------------


def configure_logging(level: str = "INFO", *, json: bool = False, stream: TextIO | None = None) -> LineWriter:
    """Send every logger of the process, structlog's and the standard library's, through one pipeline to `stream`.

    Calling it again replaces what was set up before. Libraries that log requests are kept at WARNING unless `level`
    is DEBUG; their lines are redacted like all others. uvicorn must be started with `log_config=None`, or it brings
    its own handlers back. Returns the writer, to flush or close.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # to text here, so that no renderer prints local variables
        _redact_event,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Any = (
        structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    rendering: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer, _redact_line]
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=rendering)
    handler = _Handler(LineWriter(stream or sys.stderr))
    handler.setFormatter(formatter)
    _install(handler, level)
    return handler.writer


def _install(handler: _Handler, level: str) -> None:
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(old)
        old.writer.close()
        atexit.unregister(old.writer.close)
    root.addHandler(handler)
    root.setLevel(level.upper())
    atexit.register(handler.writer.close)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # uvicorn brings handlers of its own
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    quiet = logging.DEBUG if level.upper() == "DEBUG" else logging.WARNING
    for name in _CHATTY:
        logging.getLogger(name).setLevel(quiet)


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record, own = event.get("_record"), event.get("_from_structlog")
    wanted = {key: item for key, item in event.items() if not key.startswith("_") and key not in _REPEATS}
    clean: MutableMapping[str, Any] = _redactor.value(wanted)
    if record is not None:
        clean["_record"], clean["_from_structlog"] = record, own
    return clean


def _redact_line(_: Any, __: str, line: str) -> str:
    return _redactor.text(line)
