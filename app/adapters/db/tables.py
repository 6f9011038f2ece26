"""Every table. `events` is the truth; what is marked as a projection can be rebuilt from it at any time.

No table has server-side defaults: a row says what the code that wrote it meant.
"""

import sqlalchemy as sa

from app.adapters.db.types import Counter, Exact, Prose, UtcTime
from app.domain.alert import AlertState

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)
GENESIS = "0" * 64  # prev_hash of the first event

_OPEN_STATES: tuple[sa.ColumnElement[str], ...] = tuple(
    sa.literal_column(f"'{state.value}'") for state in AlertState if not state.final
)


def is_open(table: sa.FromClause) -> sa.ColumnElement[bool]:
    """Alerts that are not final. Written out, not bound: only then do both databases use the partial index."""
    return table.c.state.in_(_OPEN_STATES)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _prose(name: str) -> sa.Column[str]:
    return sa.Column(name, Prose, nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, UtcTime, nullable=nullable)


def _money(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, Exact, nullable=nullable)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


# --- the log ---------------------------------------------------------------------------------------

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", Counter, primary_key=True, autoincrement=False),
    _text("stream"),
    _count("version"),
    _text("type"),
    _time("at"),
    _text("data"),  # the exact canonical JSON text that was hashed
    _text("prev_hash"),
    _text("hash"),
    sa.UniqueConstraint("stream", "version"),
)

# One row. Appenders lock it, so numbers have no gaps; it remembers the tail, so cutting the tail shows.
chain_head = sa.Table(
    "chain_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", Counter, nullable=False),
    _text("hash"),
    sa.CheckConstraint("id = 1", name="one_row"),
)

# --- the inbox: raw alerts with their working state ----------------------------------------------------

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("alert_id", sa.Text, primary_key=True),
    _text("strategy"),
    _text("account"),
    _text("symbol"),
    _text("preset"),
    _text("dedupe_key"),
    _text("sender"),
    sa.Column("body", sa.LargeBinary, nullable=False),
    _text("body_sha256"),
    _time("received_at"),
    _text("state"),
    _prose("summary"),
    _count("failures"),  # HandlerFailed so far
    _count("attempts"),  # claims so far
    _count("failures_at_claim"),
    _time("due_at"),  # real time; not claimed before, and the turn among lanes
    sa.UniqueConstraint("dedupe_key"),
)
_OPEN = sa.text("state IN ('pending', 'working')")
sa.Index(
    "ix_alerts_open_lane",
    alerts.c.account,
    alerts.c.symbol,
    alerts.c.received_at,
    alerts.c.alert_id,
    sqlite_where=_OPEN,
    postgresql_where=_OPEN,
)

lanes = sa.Table(
    "lanes",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("symbol", sa.Text, primary_key=True),
    _text("owner"),  # "" = free
    sa.Column("token", sa.BigInteger, nullable=False),
    _time("expires_at", nullable=True),  # real time
)

# --- projections -------------------------------------------------------------------------------------

signals = sa.Table(  # the newest per (account, symbol, strategy)
    "signals",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("strategy", sa.Text, primary_key=True),
    _text("alert_id"),
    _time("ranked_at"),  # bar time, or firing time where the alert names no bar
    _time("fired_at"),
    _text("signal"),  # canonical JSON
)

votes = sa.Table(
    "votes",
    metadata,
    sa.Column("seq", Counter, primary_key=True, autoincrement=False),
    sa.Column("alert_id", sa.Text, nullable=False, index=True),
    _text("seat"),
    _prose("voter"),
    _text("opinion", nullable=True),
    _text("no_vote", nullable=True),
    _count("confidence"),
    _prose("reason"),
    _count("latency_ms"),
    _text("prompt_sha256"),
    _text("answer_sha256"),
    _time("at"),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("client_id", sa.Text, primary_key=True),
    sa.Column("seq", Counter, nullable=False),  # of OrderIntended
    _text("account"),
    _text("symbol"),
    _text("alert_id", nullable=True),
    _text("leg"),
    sa.Column("adds_exposure", sa.Boolean, nullable=False),
    _text("intent"),  # canonical JSON
    _text("state"),
    _text("venue_order_id"),
    _prose("note"),
    _time("sent_at", nullable=True),
    _time("deadline", nullable=True),
    _text("stream"),
    sa.UniqueConstraint("seq"),
    sa.Index(None, "account", "symbol", "state"),
    sa.Index(None, "venue_order_id"),
    sa.Index(None, "alert_id"),
)

fills = sa.Table(
    "fills",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("trade_id", sa.Text, primary_key=True),  # a repeated trade id counts once
    _text("client_id", nullable=True),  # NULL: not one of our orders
    _prose("what"),  # of an execution from outside
    _text("venue_order_id"),
    _text("side"),
    _money("quantity"),
    _money("price"),
    _money("fee"),
    _money("realised_pnl"),
    _time("at"),
    sa.Column("seq", Counter, nullable=False),
    sa.Index(None, "client_id"),
    sa.Index(None, "account", "symbol", "seq"),
)

positions = sa.Table(
    "positions",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("symbol", sa.Text, primary_key=True),
    _text("side"),
    _money("quantity"),
    _money("entry_price"),
    _text("strategy"),
    _text("alert_id", nullable=True),
    _time("opened_at"),
    _count("entries"),
    _money("stop_price", nullable=True),
)

trades = sa.Table(
    "trades",
    metadata,
    sa.Column("trade_id", Counter, primary_key=True, autoincrement=False),  # seq of PositionClosed
    _text("account"),
    _text("symbol"),
    _text("strategy"),
    _text("alert_id", nullable=True),
    _time("closed_at"),
    _money("realised_pnl"),
    _money("fees"),
    sa.Column("won", sa.Boolean, nullable=False),  # after fees
    _text("closed"),  # canonical JSON of PositionClosed
    sa.Index(None, "strategy"),
    sa.Index(None, "account", "symbol"),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("killed", sa.Boolean, nullable=False),
    sa.Column("daily_loss_day", sa.Date, nullable=True),
    sa.Column("drawdown_latched", sa.Boolean, nullable=False),
    sa.Column("day", sa.Date, nullable=True),
    _money("day_start_equity", nullable=True),
    _money("peak_equity", nullable=True),
    _money("equity", nullable=True),
    _money("wallet", nullable=True),
    _time("marked_at", nullable=True),
)

reservations = sa.Table(  # every EntryReserved; it takes room until its alert is final
    "reservations",
    metadata,
    sa.Column("seq", Counter, primary_key=True, autoincrement=False),
    sa.Column("alert_id", sa.Text, nullable=False, index=True),
    _text("account"),
    _text("strategy"),
    _text("symbol"),
    _text("side"),
    _money("notional"),
    _time("reserved_at"),
    sa.Index(None, "account", "reserved_at"),
)

# --- messages to people --------------------------------------------------------------------------------

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    _prose("text"),
    _text("state"),  # waiting, delivered, undelivered
    _count("tries"),
    _time("put_at"),
    _time("due_at"),
    _prose("error"),
    sa.Index(None, "state", "due_at"),
)
