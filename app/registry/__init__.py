"""The strategy registry: who may send alerts, and what each strategy may do. One YAML file, edited by people.

A file that cannot be read stops the start with BadRegistry, which names the line and says what to write; the same
mistake in a running bot keeps the rules that were in force and raises an alarm.
"""

from app.registry.edit import add_strategy, finish_rotation, rotate
from app.registry.registry import DEFAULT_STRATEGY, Registry

__all__ = ["DEFAULT_STRATEGY", "Registry", "add_strategy", "finish_rotation", "rotate"]
