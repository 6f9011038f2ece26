"""What a demo run came to: the figures of var/demo/summary.json, all taken from records and the venue's ledger."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from app.adapters.db.verify import ChainReport
from app.domain.alert import AlertState
from app.domain.money import plain
from app.ports import Trade

KINDS = 4  # of refusals a demo has to show


@dataclass(slots=True)
class Counted:
    """What the webhook answered."""

    sent: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by HTTP status

    def answered(self, status: int, said: Mapping[str, Any]) -> None:
        self.sent += 1
        if status == HTTPStatus.ACCEPTED:
            self.accepted += said["status"] == "accepted"
            self.duplicates += said["status"] == "duplicate"
        else:
            self.rejected[str(status)] += 1


@dataclass(frozen=True, slots=True)
class Summary:
    counted: Counted
    stories: Sequence[Mapping[str, Any]]  # the answers of GET /alerts/{id} for every accepted alert
    trades: Sequence[Trade]
    open_positions: int
    notifications: int  # delivered
    chain: ChainReport
    problems: Sequence[str]  # where our records and the venue's ledger differ
    account: Mapping[str, str]  # the venue's own figures
    seats: Sequence[str]
    source: str
    seconds: float

    @property
    def states(self) -> Mapping[str, int]:
        """Alerts by state."""
        return Counter(story["state"] for story in self.stories)

    @property
    def refused(self) -> Mapping[str, int]:
        """Refused alerts by reason."""
        return Counter(story["refusal"]["reason"] for story in self.stories if story["state"] == AlertState.REFUSED)

    @property
    def sound(self) -> bool:
        """The run proves what it is meant to prove: every path was walked, and nothing differs."""
        unfinished = sum(count for state, count in self.states.items() if not AlertState(state).final)
        walked = self.states.get(AlertState.FILLED, 0) and self.counted.duplicates and self.counted.rejected
        return bool(self.chain.ok and not self.problems and not unfinished and walked and len(self.refused) >= KINDS)

    @property
    def wins(self) -> int:
        return sum(trade.what.realised_pnl.value > trade.what.fees.value for trade in self.trades)

    def data(self) -> dict[str, Any]:
        return {
            "alerts_sent": self.counted.sent,
            "accepted": self.counted.accepted,
            "duplicates": self.counted.duplicates,
            "rejected": sum(self.counted.rejected.values()),
            "rejected_by_status": dict(sorted(self.counted.rejected.items())),
            "refused": dict(sorted(self.refused.items())),
            "filled": self.states.get(AlertState.FILLED, 0),
            "closed": self.states.get(AlertState.CLOSED, 0),
            "expired": self.states.get(AlertState.EXPIRED, 0),
            "failed": self.states.get(AlertState.FAILED, 0),
            "trades": len(self.trades),
            "trades_won": self.wins,
            "open_positions": self.open_positions,
            "notifications": self.notifications,
            "audit_chain": "ok" if self.chain.ok else f"broken at {self.chain.bad_seq}: {self.chain.why}",
            "events": self.chain.count,
            "ledger_matches": not self.problems,
            "ledger_differences": list(self.problems),
            "equity_start": plain(Decimal(self.account["start_balance"])),
            "equity_end": plain(Decimal(self.account["equity"]).quantize(Decimal("0.01"))),
            "fees_paid": plain(-Decimal(self.account["commission"]).quantize(Decimal("0.01"))),
            "funding": plain(Decimal(self.account["funding_fee"]).quantize(Decimal("0.01"))),
            "seats": list(self.seats),
            "candles": self.source,
            "seconds": round(self.seconds, 1),
        }
