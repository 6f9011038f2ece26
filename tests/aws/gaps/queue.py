"""SQS: which queues may use a queue as their dead-letter queue."""

import json

from moto.sqs.models import Queue

_moto_s = Queue.attributes.fget


def _attributes(self):
    """moto keeps the permission and does not show it: the provider waits three minutes for it, in vain."""
    shown = _moto_s(self)
    if allowed := getattr(self, "redrive_allow_policy", None):
        shown["RedriveAllowPolicy"] = allowed
    if self.redrive_policy:
        shown["RedrivePolicy"] = json.dumps(
            self.redrive_policy, separators=(",", ":")
        )  # as it came: blanks are a change
    return shown


Queue.attributes = property(_attributes)
