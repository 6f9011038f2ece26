"""Two ways to change a class of moto, both loud when moto has changed underneath: they fit the pinned version."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def around(owner: type, name: str = "") -> Callable[[Function], Function]:
    """Wrap the method of the function's own name, or of `name`: it is called with the original, then with self."""

    def put(function: Function) -> Function:
        method = name or function.__name__
        original = getattr(owner, method)

        @functools.wraps(original)
        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            return function(functools.partial(original, self), self, *args, **kwargs)

        setattr(owner, method, wrapped)
        return function

    return put


def add(owner: type) -> Callable[[Function], Function]:
    """Give the class a method that it lacks. Raises AssertionError when it has one: the patch is needed no more."""

    def put(function: Function) -> Function:
        assert not hasattr(owner, function.__name__), f"{owner.__name__} has {function.__name__}() by now"
        setattr(owner, function.__name__, function)
        return function

    return put


def store(backend: Any, name: str) -> dict[str, Any]:
    """A dictionary kept on the backend, so that a reset of the server empties it too."""
    found: dict[str, Any] = backend.__dict__.setdefault(name, {})
    return found
