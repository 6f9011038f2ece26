"""Where the venue is and how long to wait for it. Built once at bootstrap; the key pair never shows in a repr."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BinanceConfig:
    """One account on Binance USDⓈ-M futures, or on anything that speaks its protocol (demo, the local simulator)."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    base_url: str = "https://fapi.binance.com"
    ws_url: str = "wss://fstream.binance.com"
    spot_url: str = "https://api.binance.com"  # only asked what the key may do
    recv_window_ms: int = 5_000  # the venue refuses a request that arrives later than this after its timestamp
    query_lag_s: float = 3.0  # longest a new order has been seen missing from queries
    connect_timeout_s: float = 2.0
    request_timeout_s: float = 5.0  # the whole request; not above the receive window, for then it is refused anyway
    stream_silence_s: float = 60.0  # no frame and no pong for this long: the connection is dead
    stream_key_refresh_s: float = 1_800.0  # a listen key lives 60 minutes
    stream_pause_s: float = 0.5  # before the first reconnection; doubles up to `stream_pause_max_s`
    stream_pause_max_s: float = 30.0
    stream_backlog: int = 1_000  # unread news before they are folded into "look at everything"

    @property
    def unknown_window_s(self) -> float:
        """After this, an order that is not listed was never executed: receive window + 1 s of clocks + query lag."""
        return self.recv_window_ms / 1000 + 1.0 + self.query_lag_s
