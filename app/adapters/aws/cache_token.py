"""Signing in to ElastiCache with the task's own identity: no password exists, so none can leak or be rotated.

The token is a presigned request that nobody ever sends: the cache checks its signature and the identity behind it, at
sign-in only. It lives 15 minutes; a connection lives 12 hours, then the cache hangs up.
"""

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from app.adapters.aws.session import core
from app.domain.errors import OperatorError

SERVICE = "elasticache"
LIVES_S = 900  # as ElastiCache has it
REUSED_S = 600.0  # a token is given out for so long: the newest connection can still sign in with it


class CacheToken:
    """Called, gives user and token. Blocks while the task's credentials are fetched; safe to call from threads.

    `cache` is the replication group's id, not its address. Raises OperatorError at once where no region is known, and
    ConnectionError when it is called while there are no credentials.
    """

    def __init__(
        self, user: str, cache: str, *, session: Any = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._user = user
        self._cache = cache.lower()
        self._session = session or core()
        self._region = self._session.get_config_variable("region")
        if not self._region:
            raise OperatorError("REDIS_IAM_USER needs a region to sign in to: set AWS_REGION")
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def __call__(self) -> tuple[str, str]:
        with self._lock:
            if not self._token or self._monotonic() >= self._until:
                began = self._monotonic()
                self._token = self._sign()
                self._until = began + REUSED_S
            return self._user, self._token

    def _sign(self) -> str:
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise ConnectionError("there are no AWS credentials to sign in to Redis with")
            emitter = self._session.get_component("event_emitter")
            signer = RequestSigner(ServiceId(SERVICE), self._region, SERVICE, "v4", credentials, emitter)
            url = f"https://{self._cache}/?{urlencode({'Action': 'connect', 'User': self._user})}"
            request = {"method": "GET", "url": url, "body": {}, "headers": {}, "context": {}}
            signed = signer.generate_presigned_url(
                request, operation_name="connect", expires_in=LIVES_S, region_name=self._region
            )
        except BotoCoreError as error:
            raise ConnectionError(f"AWS gives no credentials to sign in with: {type(error).__name__}") from error
        return str(signed).removeprefix("https://")  # the cache wants it without the scheme
