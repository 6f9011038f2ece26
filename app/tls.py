"""Whom outgoing connections trust: one TLS context for every client of the process."""

import functools
import ssl

import httpx


@functools.cache
def trusted() -> ssl.SSLContext:
    """The authorities httpx trusts (SSL_CERT_FILE overrides them) and the machine's own, such as a company's.

    Read once: it takes 50 to 80 ms of CPU.
    """
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context
