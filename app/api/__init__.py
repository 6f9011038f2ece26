"""The HTTP surface: the webhook that takes alerts in, reads for people, switches, health. Everything under /api/v1.

Every refusal has one shape, `{"error": {"code", "field", "detail"}}`, and none of them is a 500.
"""
