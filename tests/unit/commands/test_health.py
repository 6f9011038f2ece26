"""`tradingbot health`: what a container's health check is told, and that it costs little to ask."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def serve():
    """A server that answers with this status; its port."""
    servers = []

    def start(status: int, body: bytes = b'{"status":"ok"}') -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.server.asked = self.path
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return server.server_address[1]

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_process_that_answers_is_well(run, serve):
    port = serve(200)
    result = run("health", PORT=str(port))
    assert (result.exit_code, result.stdout) == (
        0,
        f'http://127.0.0.1:{port}/api/v1/health answers 200: {{"status":"ok"}}\n',
    )


def test_one_that_refuses_is_not(run, serve):
    result = run("health", "--port", str(serve(503, b"not\nready")), "--path", "/api/v1/ready")
    assert result.exit_code == 1
    assert result.stdout.endswith("/api/v1/ready answers 503: not ready\n")


def test_one_that_is_not_there_is_not(run, serve):
    port = serve(200) + 1  # next door
    result = run("health", "--port", str(port), "--timeout", "1")
    assert result.exit_code == 1
    assert "does not answer" in result.stdout
    assert result.stdout.count("\n") == 1


def test_it_loads_next_to_nothing():
    script = (
        "import sys\n"
        "from app.cli import main\n"
        "sys.argv = ['tradingbot', 'health', '--port', '9']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'structlog', 'sqlalchemy', 'httpx', 'asyncio', 'numpy', 'fastapi', 'boto3'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
