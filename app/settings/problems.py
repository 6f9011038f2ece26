"""What should make an operator look twice: names that nobody reads, and secrets that are none."""

import base64
import binascii
import difflib
import re
from collections.abc import Mapping

from app.settings.environment import NAMES

# The fewest characters of secrets that people choose; the others' length is decided by whoever issues them.
_SHORTEST = {"API_TOKEN": 32, "SECRET_KEY": 32, "WEBHOOK_SECRET": 43}  # 256 bits are 43 characters of base64
_SECRETS = frozenset(
    name for name in NAMES if re.search(r"(?<!STRATEGIES_)(SECRET|TOKEN|KEY|PASSPHRASE|PASSWORD)$", name)
)
_AES_256_BYTES = 32

# Other programs have names like ours: in the process's environment only prefixes that are certainly ours are checked.
_OURS = ("RISK_", "TELEGRAM_", "BINANCE_", "OKX_", "SIMULATOR_")
_SHARED = frozenset(name.split("_", maxsplit=1)[0] + "_" for name in NAMES if "_" in name)

_PLACEHOLDER = re.compile(
    r"^(your|my|the|some|insert|enter|put)[-_ ]|change[-_ ]?(me|it|this)|replace[-_ ]?(me|with)|example|placeholder"
    r"|^<.*>$|^\$\{?\w+\}?$|^[x*.•#-]+$|^(secret|password|token|test|todo|none|null|dummy|foo|bar|default)$|^(?P<one>.)(?P=one)*$"
    r"|^(0?123456789?0?|abcdef\w*)$",
    re.IGNORECASE,
)


def unknown_names(in_file: Mapping[str, str], process: Mapping[str, str]) -> list[str]:
    """Names that look meant for the bot and that it does not know."""
    found = [
        *(name for name in in_file if name not in NAMES and (name.startswith(tuple(_SHARED)) or _meant(name))),
        *(name for name in process if name not in NAMES and name.startswith(_OURS)),
    ]
    return [
        f"{name} is not a setting" + (f"; did you mean {near}?" if (near := _meant(name)) else ": remove it")
        for name in dict.fromkeys(found)
    ]


def weak_secrets(given: Mapping[str, str]) -> list[str]:
    """Secrets that are placeholders or too short to be secret. Their values are not repeated."""
    found = []
    for name in sorted(_SECRETS & given.keys()):
        value = given[name]
        if _PLACEHOLDER.search(value):
            found.append(f"{name} is a placeholder: put the real value there, or leave it empty")
        elif len(value) < _SHORTEST.get(name, 0):
            found.append(f"{name} is too short ({len(value)} characters): take the output of `openssl rand -hex 32`")
        elif name == "ENCRYPTION_KEY" and _bytes(value) != _AES_256_BYTES:
            found.append("ENCRYPTION_KEY must be 32 bytes: take the output of `openssl rand -hex 32`")
    chosen = {name: given[name] for name in _SHORTEST if name in given}
    if len(set(chosen.values())) < len(chosen):
        # The webhook's secret lies open in every alert message: it must not open anything else.
        found.append(f"{', '.join(sorted(chosen))} must differ from each other: each opens something else")
    return found


def _meant(name: str) -> str | None:
    near = difflib.get_close_matches(name.upper(), sorted(NAMES), n=1, cutoff=0.8)
    return near[0] if near else None


def _bytes(text: str) -> int:
    """How many bytes a hexadecimal or base64 text stands for; 0 when it is neither."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return 32
    try:
        return len(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return 0
