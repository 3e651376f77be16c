"""Typed, prefixed ids. They are opaque: nobody parses one but to look at its prefix."""

from __future__ import annotations

from typing import NewType

TenantId = NewType("TenantId", str)
"""``ten_…``"""
KeyId = NewType("KeyId", str)
"""``key_…``: an API key's public name; the key itself begins with ``moor_``."""
UserId = NewType("UserId", str)
"""``user_…``: a person of a tenant; sorts by the time of its making."""
RuntimeId = NewType("RuntimeId", str)
"""``rt_…``"""
AgentId = NewType("AgentId", str)
"""``agent_…``"""
EnvironmentId = NewType("EnvironmentId", str)
"""``env_…``"""
SessionId = NewType("SessionId", str)
"""``sesn_…``; sorts by the time of its making."""
TurnId = NewType("TurnId", str)
"""``turn_…``"""
EventId = NewType("EventId", str)
"""``sevt_…``"""
FileId = NewType("FileId", str)
"""``file_…``; sorts by the time of its making, or with the session in whose message it came."""
OutboxId = NewType("OutboxId", str)
"""``obx_…``: one daemon's SQLite file, renewed when its numbers can no longer be trusted."""
ConnectionId = NewType("ConnectionId", str)
"""As API Gateway gives it."""
ReaderId = NewType("ReaderId", str)
"""Who is attached: a connection id, or ``sse_…`` for a reader that polls."""
