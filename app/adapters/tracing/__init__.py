"""Traces, optional: what the event log says of an alert, sent to a tracing system over OTLP/HTTP.

Nothing is measured here: the log already holds every step with its time, whichever processes took part and whether one
of them died. Failure here means a trace that is missing, never a trade that waits.
"""

from app.adapters.tracing.exporter import Tracer, headers_of

__all__ = ["Tracer", "headers_of"]
