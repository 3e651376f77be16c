"""Requests: which session each has made, so that one which is sent again makes no second one."""

from __future__ import annotations

from ..core import making
from ..core.errors import Refused, raise_refusal
from ..core.making import Make, Making, MakingState
from ..core.record import open_request
from ..wire.ids import TenantId
from .loop import ObjectLoop
from .ports import Stores, request_key


class Requests:
    """Remembers what requests have made."""

    def __init__(self, stores: Stores) -> None:
        self._clock = stores.clock
        self._loop: ObjectLoop[MakingState, None, Make] = ObjectLoop(
            stores.objects, stores.clock, making.decide, open_request
        )

    def found(self, tenant_id: TenantId, name: str, offered: Making) -> Making | None:
        """What the request of this name has made before, if it would not make ``offered`` now. Writes nothing.

        Raises:
            Unprocessable: ``idempotency_key_reused``, with another body.
        """
        head = self._loop.head(request_key(tenant_id, name))
        if head is None:
            return None
        step = making.decide(head.state, Make(offered), n=head.n + 1, now=self._clock.now())
        return _made(step.answer) if step.state == head.state else None

    def made(self, tenant_id: TenantId, name: str, offered: Making) -> Making:
        """What the request of this name makes: ``offered``, unless it made something before. Raises as ``found``."""
        key = request_key(tenant_id, name)
        done = self._loop.act(key, lambda _: Make(offered))
        if done is None:
            if self._loop.begin(key, MakingState((offered,)), ()):
                return offered
            done = self._loop.act(key, lambda _: Make(offered))
        assert done is not None, f"{key} was begun and is not there"
        return _made(done.answer)


def _made(answer: object) -> Making:
    if isinstance(answer, Refused):
        raise_refusal(answer)
    assert isinstance(answer, Making)
    return answer
