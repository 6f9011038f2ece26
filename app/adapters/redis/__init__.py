"""Redis carries rings and counts between processes, and nothing that would be missed.

With Redis gone every call falls back to this process alone, at the price of one short timeout now and then; when it
comes back it is used again without anybody doing anything. Nothing in here raises because of Redis.
"""

from app.adapters.redis.client import connect
from app.adapters.redis.doorbell import RedisDoorbell
from app.adapters.redis.limiter import RedisRateLimiter

__all__ = ["RedisDoorbell", "RedisRateLimiter", "connect"]
