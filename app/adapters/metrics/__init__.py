"""The bot's numbers for Prometheus: counters raised where things happen, gauges sampled every few seconds.

A gauge nobody could read is NaN or absent, never a comfortable zero. Every label comes from a closed set, so no alert,
symbol or error text can grow the number of time series. Each instance has its own registry. Counting never raises or
waits, and sampling stops for nothing.
"""

from app.adapters.metrics.labels import ALARMS, FEEDS
from app.adapters.metrics.prometheus import CONTENT_TYPE, PrometheusMetrics
from app.adapters.metrics.sampler import GaugeSampler, Vitals
from app.adapters.metrics.watched import CountedInbox, CountedLanes, WatchedEventLog, counting

__all__ = [
    "ALARMS",
    "CONTENT_TYPE",
    "FEEDS",
    "CountedInbox",
    "CountedLanes",
    "GaugeSampler",
    "PrometheusMetrics",
    "Vitals",
    "WatchedEventLog",
    "counting",
]
