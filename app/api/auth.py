"""Who is asking: the sender's address as far as it can be trusted, and the bearer token of reads and switches."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from fastapi import Request
from fastapi.security import HTTPBearer
from starlette.types import Scope

from app.api.deps import Api, Network
from app.api.errors import CODES, ApiError

# Where TradingView sends from (help page 43000529348). Shared by all its users: it proves the service, not the user.
TRADINGVIEW = tuple(
    ip_network(address) for address in ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7")
)
bearer = HTTPBearer(auto_error=False, description="API_TOKEN")

_FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


def client_address(scope: Scope, trusted_proxies: int) -> str:
    """The address that the outermost trusted balancer saw, "" when there is none.

    Each balancer appends the address it was called from to X-Forwarded-For, so with N of them the N-th entry from the
    end is theirs; everything before it was sent by the caller and may be invented. Fewer entries than balancers means
    that the request came around them: then only the peer's own address is known.
    """
    peer = scope.get("client")
    own = _address(peer[0]) if peer else ""
    if trusted_proxies == 0:
        return own
    lists = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    entries = [entry.strip() for entry in ",".join(lists).split(",")] if lists else []
    return _address(entries[-trusted_proxies]) if len(entries) >= trusted_proxies else own


def is_allowed(address: str, networks: Sequence[Network]) -> bool:
    if not networks:
        return True
    return bool(address) and any(ip_address(address) in network for network in networks)


def may_read(api: Api) -> Callable[[Request], Awaitable[None]]:
    """The dependency of reads: the token, or this very machine in paper mode without one."""

    async def check(request: Request) -> None:
        if not (_has_token(request, api.api_token) or (not api.api_token and api.paper and _is_local(request))):
            raise _unauthorised(api)

    return check


def may_control(api: Api) -> Callable[[Request], Awaitable[None]]:
    """The dependency of switches: always the token. A page in a browser can reach this machine too."""

    async def check(request: Request) -> None:
        if not _has_token(request, api.api_token):
            raise _unauthorised(api)

    return check


def _unauthorised(api: Api) -> ApiError:
    hint = "send Authorization: Bearer with the API_TOKEN" if api.api_token else "set API_TOKEN to use this"
    return ApiError(401, CODES[401], hint, field="authorization")


def _has_token(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(_digest(given.strip()), _digest(token))
    return same and bool(token) and scheme.lower() == "bearer"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _is_local(request: Request) -> bool:
    """Called from this machine, by name, and not on behalf of somebody else."""
    if any(name in _FORWARDED for name, _ in request.scope["headers"]):
        return False
    host = request.headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    address = client_address(request.scope, 0)
    return name.lower() in _LOCAL_NAMES and bool(address) and ip_address(address).is_loopback


def _address(text: str) -> str:
    """A plain address, without port and brackets; "" when it is none. IPv4 inside IPv6 counts as IPv4."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address: IPv4Address | IPv6Address = ip_address(bare)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
