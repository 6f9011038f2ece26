"""The way in while the database is away: alerts spill into a durable queue, and workers drain it into the inbox.

An alert is answered 202 when the inbox or the queue has it. It may end up in both: the dedupe key makes that one alert.
"""

from app.spill.drain import Drain, DrainConfig
from app.spill.inbox import QueuedAlerts, SpillingInbox
from app.spill.model import Spilled, SpillQueue, SpillSource

__all__ = ["Drain", "DrainConfig", "QueuedAlerts", "SpillQueue", "SpillSource", "Spilled", "SpillingInbox"]
