"""What all in-memory twins share: the point before and after each method's effect."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Concatenate, Literal, ParamSpec, TypeVar

Phase = Literal["before", "after"]
OnIO = Callable[[str, Phase], None]


def quiet(_name: str, _phase: Phase) -> None:
    """The `on_io` that does nothing."""


@dataclass
class Fake:
    """A twin of the port that `Stores` calls `port`."""

    on_io: OnIO = field(default=quiet, kw_only=True)
    port: ClassVar[str]


P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Fake)


def io_point(method: Callable[Concatenate[T, P], R]) -> Callable[Concatenate[T, P], R]:
    """Calls `on_io` with "before" and "after" round the method. Not "after" one that raised."""

    @functools.wraps(method)
    def between(self: T, /, *args: P.args, **kwargs: P.kwargs) -> R:
        name = f"{self.port}.{method.__name__}"
        self.on_io(name, "before")
        answer = method(self, *args, **kwargs)
        self.on_io(name, "after")
        return answer

    return between
