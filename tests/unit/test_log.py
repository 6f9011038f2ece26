"""Nothing secret gets into a line, and nothing about a line gets in anybody's way."""

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from app.log import HIDDEN, LineWriter, Redactor, configure_logging, redact, register_secrets

CANARY = "canary-7f3a9c1e5d2b8a6f4c0e"
TOKEN = "8123456789:AAHcanaryCANARYcanaryCANARYcanary12"


@pytest.fixture(autouse=True)
def _as_it_was():
    """Logging is one per process: leave it as it was found."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in before:
            root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


def logged(act, *, level="INFO", as_json=True):
    stream = io.StringIO()
    writer = configure_logging(level, json=as_json, stream=stream)
    logging.getLogger().handlers[:-1] = []  # the test runner's own would render every record once more
    act()
    assert writer.flush(5)
    writer.close()
    return stream.getvalue()


# --- one pipeline for everybody ----------------------------------------------------------------------


def test_both_kinds_of_logger_come_out_as_one_format_in_utc():
    def act():
        structlog.get_logger("app.worker").info("claimed", alert="01J", attempt=1)
        logging.getLogger("uvicorn.error").warning("slow %s", "client", extra={"peer": "::1"})

    ours, theirs = map(json.loads, logged(act).splitlines())
    assert (ours["event"], ours["alert"], ours["level"], ours["logger"]) == ("claimed", "01J", "info", "app.worker")
    assert (theirs["event"], theirs["peer"], theirs["level"]) == ("slow client", "::1", "warning")
    assert ours["timestamp"].endswith("Z")


def test_the_level_is_honoured():
    assert logged(lambda: structlog.get_logger("x").info("quiet"), level="WARNING") == ""


@pytest.mark.parametrize("name", ["httpx", "telegram.Bot", "binance.client", "httpcore.http11"])
def test_libraries_that_log_requests_are_quiet_at_info(name):
    assert logged(lambda: logging.getLogger(name).info("HTTP Request: POST …")) == ""


def test_configuring_twice_does_not_log_twice():
    first = io.StringIO()
    configure_logging(stream=first)
    assert logged(lambda: logging.getLogger("a").info("once")).count("once") == 1
    assert first.getvalue() == ""


def test_console_lines_are_for_people():
    text = logged(lambda: structlog.get_logger("app.worker").info("claimed", alert="01J"), as_json=False)
    assert "claimed" in text
    assert "alert=01J" in text
    assert "\x1b" not in text


# --- redaction -----------------------------------------------------------------------------------------


def _in_the_message():
    logging.getLogger("a").info("using %s", CANARY)


def _in_a_field():
    structlog.get_logger("a").info("using", where={"deep": [CANARY, {"er": CANARY}]})


def _in_an_exception():
    try:
        raise ConnectionError(f"https://x/?k={CANARY}")  # noqa: TRY301 - the traceback is the test
    except ConnectionError:
        structlog.get_logger("a").exception("failed")
        logging.getLogger("b").exception("failed")


def _in_a_local_variable():
    def inner(key):
        raise ValueError("no secret in here")

    try:
        inner(CANARY)
    except ValueError:
        structlog.get_logger("a").exception("failed")


def _in_a_foreign_object():
    class Request:
        def __str__(self) -> str:
            return f"<Request {CANARY}>"

        __repr__ = __str__

    structlog.get_logger("a").info("sent", request=Request())


def _in_a_bound_context():
    structlog.get_logger("a").bind(user=CANARY).info("hello")


def _in_bytes():
    structlog.get_logger("a").info("read", raw=CANARY.encode())


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    "act",
    [
        _in_the_message,
        _in_a_field,
        _in_an_exception,
        _in_a_local_variable,
        _in_a_foreign_object,
        _in_a_bound_context,
        _in_bytes,
    ],
)
def test_a_registered_secret_never_comes_out(act, as_json):
    register_secrets([CANARY])
    text = logged(act, as_json=as_json)
    assert text
    assert CANARY not in text


@pytest.mark.parametrize(
    "key",
    ["secret", "api_key", "BINANCE_API_KEY", "telegram_token", "Authorization", "passphrase", "signature", "password"],
)
def test_values_under_secret_looking_keys_are_hidden(key):
    line = json.loads(logged(lambda: structlog.get_logger("a").info("x", **{key: "hunter2", "n": {key: "hunter2"}})))
    assert (line[key], line["n"][key]) == (HIDDEN, HIDDEN)


def test_counts_under_such_keys_are_not():
    line = json.loads(logged(lambda: structlog.get_logger("a").info("x", input_tokens=812, token_valid=True)))
    assert (line["input_tokens"], line["token_valid"]) == (812, True)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (f"POST https://api.telegram.org/bot{TOKEN}/sendMessage", TOKEN),
        (f"the token `{TOKEN}` was rejected", TOKEN),
        ("GET /fapi/v1/order?symbol=BTCUSDT&signature=9a8b7c6d5e4f&timestamp=1", "9a8b7c6d5e4f"),
        ("wss://fstream.binance.com/private/ws?listenKey=pqia91ma19a5s61c", "pqia91ma19a5s61c"),
        ('{"strategy": "x", "secret": "s3cr3t-\\"quoted\\"-value"}', "value"),
        ("{'secret': 's3cr3t-value'}", "s3cr3t-value"),
        (r'b"{\"secret\": \"s3cr3t-value\"}"', "s3cr3t-value"),
        ("Authorization: Bearer eyJhbGciOi.J9", "eyJhbGciOi"),
        ("postgresql+asyncpg://bot:pa55w0rd@db:5432/bot", "pa55w0rd"),
        ("redis://:pa55w0rd@cache:6379/0", "pa55w0rd"),
        ("Incorrect API key provided: sk-proj-abcdEFGH1234567890", "abcdEFGH1234567890"),
    ],
)
def test_patterns_catch_what_nobody_registered(text, gone):
    assert gone not in redact(text)
    assert HIDDEN in redact(text)


@pytest.mark.parametrize(
    "text",
    ["BTCUSDT 0.015 @ 64,210", "alert:01JGX seq=12:3", "https://fapi.binance.com/fapi/v1/time", "token=", "a: b"],
)
def test_ordinary_text_is_left_alone(text):
    assert redact(text) == text


def test_a_secret_is_hidden_in_every_spelling_and_short_values_are_not_secrets():
    redactor = Redactor()
    redactor.register(['pa/ss"wörd', "abc"])
    assert redactor.text("x pa%2Fss%22w%C3%B6rd y") == f"x {HIDDEN} y"
    assert redactor.text(json.dumps({"v": 'pa/ss"wörd'})) == json.dumps({"v": HIDDEN})
    assert redactor.text("abc") == "abc"


def test_a_secret_is_hidden_without_the_edges_it_was_stored_with():
    redactor = Redactor()
    redactor.register([" hunter-22\n"])
    assert redactor.text("the key hunter-22 and hunter-22\n.") == f"the key {HIDDEN} and {HIDDEN}\n."


# --- the writer ----------------------------------------------------------------------------------------


def test_a_blocked_output_never_holds_up_its_author():
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "w") as pipe:
            writer = LineWriter(pipe, queued=100)
            for _ in range(300):
                writer.write("x" * 4096)  # far more than a pipe holds, and nobody reads
            assert writer.lost > 0
            assert not writer.flush(0.05)
            os.close(reading)  # the writer's thread gets a broken pipe and goes on to the end
            reading = -1
            assert writer.flush(5)
            writer.close(5)
    finally:
        if reading >= 0:
            os.close(reading)


def test_a_closed_output_loses_lines_and_nothing_else():
    stream = io.StringIO()
    writer = configure_logging(stream=stream, json=True)
    stream.close()
    structlog.get_logger("a").error("anybody there?")
    assert writer.flush(5)
    assert writer.lost == 1


def test_a_line_that_cannot_be_rendered_says_so():
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

        __repr__ = __str__

    assert "could not be rendered: RuntimeError" in logged(lambda: logging.getLogger("lib").info("%s", Broken()))


def test_a_process_whose_output_is_blocked_still_ends(tmp_path):
    script = tmp_path / "noisy.py"
    script.write_text(
        "import logging, sys\n"
        "from app.log import configure_logging\n"
        "configure_logging(stream=sys.stdout)\n"
        "for n in range(3000): logging.getLogger('a').info('x' * 500)\n"
        "sys.stderr.write('worked on')\n"
    )
    reading, writing = os.pipe()
    done = subprocess.run(
        [sys.executable, str(script)],
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    os.close(writing)
    os.close(reading)
    assert (done.returncode, done.stderr) == (0, b"worked on")
