"""The main path. Start at run.py and read downwards: alert, verdict, risk, order, notify.

reconcile.py and guardian.py are the other way in: they keep what we believe equal to what the venue holds, and see to
it that nothing is held without a stop.
"""
