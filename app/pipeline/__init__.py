"""The main path. Read six files in this order: run, alert, verdict, risk, order, notify.

The other way in is reconcile and guardian: they keep what we believe equal to what the venue holds, and see to it that
nothing is held without a stop. The rest are tools of these eight: desk and exits reach the venue, target says what has
to move, message/ reads what senders write, risk_rules/ weighs, wording tells people, journal writes facts down, bot
bundles the ports, and controls are the switches.
"""
