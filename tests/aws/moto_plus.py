"""A stand-in for AWS on loopback: moto, with the gaps closed that Terraform's AWS provider 5.100 meets on our stack.

    python -m tests.aws.moto_plus -H 127.0.0.1 -p 5000

Port 0 takes a free one. The first line on stdout is the address. The patches are of moto's private names, by service in
tests/aws/gaps: moto is pinned, and a patch that no longer fits stops the server at its start.
"""

import argparse
import os
import signal
import sys

from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.aws.gaps import balancer, cache, compute, database, network, queue, storage, watching

GAPS = (balancer, cache, compute, database, network, queue, storage, watching)  # importing them is what patches moto


def serve(host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server(host, port, application, threaded=True, request_handler=MotoRequestHandler)
    os.environ["MOTO_PORT"] = str(server.server_port)  # moto builds addresses of its own from it
    print(f"http://{host}:{server.server_port}", flush=True)  # noqa: T201 - the caller reads it
    server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A stand-in for AWS on loopback.")
    parser.add_argument("-H", "--host", default="127.0.0.1")
    parser.add_argument("-p", "--port", type=int, default=5000, help="0 takes a free one")
    options = parser.parse_args()
    serve(options.host, options.port)
