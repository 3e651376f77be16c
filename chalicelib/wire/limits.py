"""Sizes and times that both sides must agree on, each with its unit and its source."""

from __future__ import annotations

from typing import Final

PROTOCOL_VERSION: Final = 1
"""The dialect of these frames. The plane speaks this one and the one before."""

OLDEST_PROTOCOL_VERSION: Final = 1
"""The oldest dialect that the plane still speaks (there is no older one yet)."""

MAX_FRAME_BYTES: Final = 32 * 1024
"""API Gateway WebSocket quota, AWS docs "quotas": a larger frame closes the connection with 1009."""

MAX_MESSAGE_BYTES: Final = 128 * 1024
"""API Gateway WebSocket quota, AWS docs "quotas": a larger message closes the connection with 1009."""

FRAGMENT_BYTES: Final = 30 * 1024
"""The daemon cuts a message into fragments of at most this, so that headers never push one over the frame quota."""

MAX_DOWN_BYTES: Final = 30 * 1024
"""The plane sends no frame larger than this; what does not fit is fetched over HTTPS by reference."""

MAX_BATCH_BYTES: Final = 96 * 1024
"""The events of one batch, as JSON. A single event over it travels by HTTPS upload and is referred to."""

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
"""One whole event, as JSON. The daemon shortens what is longer and says so in the event."""

MAX_INLINE_BYTES: Final = 16 * 1024
"""Events of one record that are kept in it; what goes beyond is a body item, so that a load stays at 5 read units."""

MAX_NESTING: Final = 100
"""Arrays and objects within each other in a batch: far below where parsers give up, so that what was read can be
written again."""

MAX_ID_CHARS: Final = 64
"""An id that a daemon makes: sessions keep some in their state, which is in every record."""

MAX_PROMPT_BYTES: Final = 256 * 1024
"""The content of one posted batch of user messages, as JSON."""

MAX_POST_BYTES: Final = 5 * 1024 * 1024
"""The body of a post with the bytes of its images and documents in it, as JSON: Lambda takes 6 MB with all else."""

MAX_DIRECT_BYTES: Final = 4 * 1024 * 1024
"""A file that goes through the API by itself: base64 makes a third more of it, and Lambda takes and gives 6 MB."""

MAX_FILE_BYTES: Final = 100 * 1024 * 1024
"""A file. What is over ``MAX_DIRECT_BYTES`` goes straight to the store and comes straight from there."""

MAX_SOURCES_BYTES: Final = 32 * 1024 * 1024
"""The images and documents of one posted batch of messages, together: a daemon holds them in memory at once."""

MAX_SOURCES: Final = 100
"""Images and documents of one posted batch of messages."""

MAX_WAITING: Final = 50
"""Waiting messages of one session; the next one is refused with ``queue_full``."""

MAX_QUESTIONS: Final = 16
"""Permission questions that may be open in one session at once; the daemon asks further ones later."""

MAX_MARKS: Final = 4
"""Outboxes whose watermark a session keeps."""

IDLE_CLOSE_S: Final = 600.0
"""API Gateway closes a WebSocket on which nothing was said for this long (seconds)."""

MAX_CONNECTION_S: Final = 7200.0
"""API Gateway closes a WebSocket that has lived this long (seconds)."""

ROTATE_MIN_S: Final = 90 * 60.0
ROTATE_MAX_S: Final = 110 * 60.0
"""The daemon replaces its connection at a random age between these (seconds), before the quota does."""

PING_S: Final = 25.0
"""How often the daemon pings (seconds): often enough for NATs and proxies that drop silent connections after 30 s."""

LEASE_S: Final = 150.0
"""How long a ping keeps a runtime online (seconds): six pings, so that the lease is written at every fourth one."""

DELTA_WINDOW_MS: Final = 100
"""How long the daemon gathers text before the next delta of a watched session (milliseconds)."""

VERDICT_TTL_S: Final = 24 * 3600.0
"""How long a permission question stays open when nobody answers (seconds)."""

MESSAGE_TTL_S: Final = 24 * 3600.0
"""How long a message waits for its machine unless the sender says otherwise (seconds)."""
