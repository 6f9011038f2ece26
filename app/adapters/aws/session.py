"""How clients of AWS are made: region, credentials and endpoint come from boto3's own environment.

Waiting is short and tries are few: what AWS does not answer now is asked again later by whoever needs it.
"""

from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

FAILURES = (BotoCoreError, ClientError)
"""What a call ends in when AWS does not answer, refuses, or nobody has said who is asking."""

# boto3 itself knows AWS_DEFAULT_REGION only; AWS_REGION is what every other tool and AWS's own hosts speak of.
_REGION = ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)

CONNECT_S = 1.0
READ_S = 2.0
TRIES = 2
CONNECTIONS = 10


def client(
    service: str,
    *,
    connect_s: float = CONNECT_S,
    read_s: float = READ_S,
    tries: int = TRIES,
    connections: int = CONNECTIONS,
) -> Any:
    """A client of one service, safe to share between threads. Raises BotoCoreError where no region is known.

    Its calls block: run them in a thread where an event loop runs. `connections` is how many calls may be under way
    at once without opening connections that are thrown away again.
    """
    config = Config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        retries={"total_max_attempts": tries, "mode": "standard"},
        max_pool_connections=connections,
        tcp_keepalive=True,
    )
    return boto3.session.Session(botocore_session=core()).client(service, config=config)


def core() -> Any:
    """A session of botocore: whose credentials, which region."""
    return botocore.session.Session(session_vars={"region": _REGION})


def code_of(error: Exception) -> str:
    """The service's own word for a refusal, such as AccessDenied; the kind of failure when there was no answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "?"))
    return type(error).__name__
