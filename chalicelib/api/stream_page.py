"""A bounded page of a stream: what came within a few seconds, as one buffered answer.

A Lambda behind API Gateway can't send before it ends, and ends at 29 s. So the page ends as soon as it has something
and nothing more comes for a moment. It begins by naming the reader's place: whoever got no event at all still goes on
from there, and misses nothing that happens between two pages.
"""

from __future__ import annotations

from ..core import sse
from ..core.sse import Wish
from ..wire.ids import SessionId, TenantId
from ..wiring import Plane

PAGE_S = 25.0
"""How long a page waits for a first event (seconds): under API Gateway's 29."""

QUIET_S = 0.3
"""How long nothing must come before a page that has something ends (seconds)."""

RETRY_MS = 250
"""When the reader is to ask for the next page (milliseconds)."""

MAX_PAGE_BYTES = 5 * 1024 * 1024
"""A page ends before this, but for a single event: Lambda's answers may have 6 MB, an event 4 MB."""


def stream_page(plane: Plane, tenant_id: TenantId, session_id: SessionId, wish: Wish) -> bytes:
    """The page. Raises NotFound ``session_not_found``, BadRequest ``bad_cursor``."""
    after = wish.after or str(plane.sessions.head(tenant_id, session_id).n)
    page = bytearray(sse.retry(RETRY_MS) + sse.place(after))
    follower = plane.reading.follow(tenant_id, session_id, after=after, ours=wish.ours, deltas=wish.deltas)
    begun = moved = plane.clock.now()
    something = False
    try:
        while True:
            for one in follower.poll():
                frame = sse.frame(one.body, one.cursor)
                if something and len(page) + len(frame) > MAX_PAGE_BYTES:
                    return bytes(page)
                page += frame
                something, moved = True, plane.clock.now()
            now = plane.clock.now()
            if follower.ended or now - begun >= PAGE_S or (something and now - moved >= QUIET_S):
                return bytes(page)
            plane.clock.pause(min(follower.idle_s, QUIET_S))
    finally:
        follower.close()
