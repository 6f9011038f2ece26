"""Whom outgoing connections trust."""

import ssl

from app.tls import trusted


def test_every_client_has_the_same_context_and_it_checks_who_answers() -> None:
    assert trusted() is trusted()
    assert trusted().verify_mode is ssl.CERT_REQUIRED
    assert trusted().check_hostname
    assert trusted().get_ca_certs()
