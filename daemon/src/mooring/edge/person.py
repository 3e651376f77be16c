"""The plane as a person sees it: agents, sessions, what happens in them. Calls block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec
import urllib3
from msgspec import Struct, field
from urllib3.exceptions import HTTPError

from ..errors import MoorError
from .creds import Login, new_id
from .https import Channel, Unreachable, decoded
from .sse import EventParser, ServerSent

LOCAL_ENVIRONMENT: Final = "env-local-runtime"
"""The environment that every session on a laptop has."""

_PAGE: Final = "100"


class Binding(Struct, frozen=True, kw_only=True):
    """Which laptop runs an agent, by which ACP agent."""

    runtime_id: str
    acp_agent_id: str


class _Extension(Struct, frozen=True):
    runtime_binding: Binding | None = None


class Agent(Struct, frozen=True, kw_only=True):
    """An agent as lists show it. The binding may stand under ``_oma``, where the ancestor system has it."""

    id: str
    name: str = ""
    runtime_binding: Binding | None = None
    extension: _Extension | None = field(name="_oma", default=None)
    archived_at: str | None = None

    @property
    def binding(self) -> Binding | None:
        """Its laptop, or None."""
        return self.runtime_binding or (self.extension.runtime_binding if self.extension else None)


class _Agents(Struct, frozen=True):
    data: list[Agent]
    next_page: str | None = None


class _Page(Struct, frozen=True):
    data: list[dict[str, Any]]
    next_page: str | None = None


class _Named(Struct, frozen=True):
    id: str


class Person:
    """The plane, asked with an API key. Methods raise PlaneError, Unreachable, or MoorError ``bad_answer``."""

    def __init__(self, login: Login) -> None:
        self._channel = Channel(login.server_url, login.api_key)

    def __repr__(self) -> str:
        return f"Person({self._channel.server_url!r})"

    def agents(self) -> list[Agent]:
        """All agents that are not archived."""
        found: list[Agent] = []
        query = {"limit": _PAGE}
        while True:
            page: _Agents = decoded(self._channel.ask("GET", "/v1/agents", query=query), _Agents)
            found += [one for one in page.data if one.archived_at is None]
            if not page.next_page:
                return found
            query = {"limit": _PAGE, "page": page.next_page}

    def agent(self, wanted: str | None) -> Agent:
        """The agent that somebody means by its id, its name or the id of its ACP agent; None = the only one there is.

        Raises:
            MoorError: ``agent_not_found``, ``agent_ambiguous``.
        """
        return _chosen(self.agents(), wanted)

    def create_agent(self, definition: dict[str, Any]) -> dict[str, Any]:
        """Makes an agent, and returns it; ``definition`` is the API's body."""
        made: dict[str, Any] = decoded(self._post("/v1/agents", definition), dict[str, Any])
        return made

    def create_session(self, agent_id: str, title: str | None = None) -> str:
        """Makes a session with an agent. Returns its id."""
        body: dict[str, Any] = {"agent": agent_id, "environment_id": LOCAL_ENVIRONMENT}
        if title is not None:
            body["title"] = title
        made: _Named = decoded(self._post("/v1/sessions", body), _Named)
        return made.id

    def sessions(
        self, *, limit: int, agent_id: str | None = None, status: str | None = None, archived: bool = False
    ) -> list[dict[str, Any]]:
        """The newest sessions, at most ``limit``; None = of any agent, in any status."""
        said = {"agent_id": agent_id, "statuses[]": status, "include_archived": "true" if archived else None}
        query = {name: value for name, value in said.items() if value is not None}
        found: list[dict[str, Any]] = []
        while len(found) < limit:
            query["limit"] = str(min(limit - len(found), int(_PAGE)))
            page: _Page = decoded(self._channel.ask("GET", "/v1/sessions", query=query), _Page)
            found += page.data
            if not page.next_page:
                break
            query["page"] = page.next_page
        return found

    def session(self, session_id: str) -> dict[str, Any]:
        """One session, with its status as of now."""
        found: dict[str, Any] = decoded(self._channel.ask("GET", _session(session_id)), dict[str, Any])
        return found

    def waiting(self, session_id: str) -> int:
        """How many messages of a session wait for their turn."""
        # They stand after everything else, and there are never more than a page of them.
        query = {"order": "desc", "types[]": "user.message", "limit": _PAGE}
        page: _Page = decoded(self._channel.ask("GET", f"{_session(session_id)}/events", query=query), _Page)
        return sum(one.get("processed_at") is None for one in page.data)

    def archive_session(self, session_id: str) -> dict[str, Any]:
        """Makes a session read only, for good."""
        found: dict[str, Any] = decoded(self._post(f"{_session(session_id)}/archive", {}), dict[str, Any])
        return found

    def delete_session(self, session_id: str) -> None:
        """Ends a session, here and on its laptop."""
        self._channel.ask("DELETE", _session(session_id))

    def send(self, session_id: str, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Sends events into a session, once however often the network makes it try. Returns them with their ids."""
        path = f"{_session(session_id)}/events"
        answer: dict[str, Any] = decoded(self._post(path, {"events": list(events)}, new_id()), dict[str, Any])
        sent: list[dict[str, Any]] = answer.get("data") or []
        return sent

    def event(self, session_id: str, event_id: str) -> dict[str, Any]:
        """One event, whole."""
        path = f"{_session(session_id)}/events/{quote(event_id, safe='')}"
        found: dict[str, Any] = decoded(self._channel.ask("GET", path), dict[str, Any])
        return found

    def runtimes(self) -> list[dict[str, Any]]:
        """The tenant's runtimes."""
        answer: dict[str, Any] = decoded(self._channel.ask("GET", "/v1/runtimes"), dict[str, Any])
        found: list[dict[str, Any]] = answer.get("runtimes", answer.get("data")) or []
        return found

    def share_runtime(self, runtime_id: str, *, shared: bool) -> dict[str, Any]:
        """Lets the whole team use a runtime, or its owner alone. Returns the runtime."""
        body = self._post(f"/v1/runtimes/{quote(runtime_id, safe='')}", {"shared": shared})
        changed: dict[str, Any] = decoded(body, dict[str, Any])
        return changed

    def remove_runtime(self, runtime_id: str) -> None:
        """Takes a runtime away from the plane, with its tokens."""
        self._channel.ask("DELETE", f"/v1/runtimes/{quote(runtime_id, safe='')}")

    def connect_code(self, state: str) -> str:
        """A connect code for a laptop, bound to ``state``."""
        answer: dict[str, Any] = decoded(self._post("/v1/runtimes/connect-runtime", {"state": state}), dict[str, Any])
        return str(answer["code"])

    def stream(self, session_id: str, *, deltas: bool, after: str | None = None) -> EventStream:
        """Opens a session's stream; when this returns, nothing that happens from now on is missed.

        Args:
            session_id: which.
            deltas: whether pieces of unfinished messages are wanted.
            after: the cursor to go on from; None = live from now.
        """
        return EventStream(self._channel, session_id, deltas=deltas, after=after)

    def close(self) -> None:
        """Closes idle connections."""
        self._channel.close()

    def _post(self, path: str, body: dict[str, Any], key: str | None = None) -> bytes:
        return self._channel.ask("POST", path, body=msgspec.json.encode(body), idempotency_key=key)


class EventStream:
    """An open stream. ``last_id`` is the cursor to go on from after a cut."""

    def __init__(self, channel: Channel, session_id: str, *, deltas: bool, after: str | None) -> None:
        query = {"include": "mooring"}
        if deltas:
            query["event_deltas[]"] = "agent.message"
        headers = {"accept": "text/event-stream", "cache-control": "no-cache"}
        if after is not None:
            headers["last-event-id"] = after
        self._server_url = channel.server_url
        self._parser = EventParser()
        self._parser.last_id = after or ""
        path = f"{_session(session_id)}/events/stream"
        self._response: urllib3.BaseHTTPResponse = channel.open(path, query=query, headers=headers)

    @property
    def last_id(self) -> str:
        """The cursor after the last whole event, "" before the first one."""
        return self._parser.last_id

    def __iter__(self) -> Iterator[ServerSent]:
        """Events until the plane ends the stream.

        Raises:
            Unreachable: the stream was cut.
        """
        try:
            while True:
                piece = self._response.read1(65536)
                if not piece:
                    return
                yield from self._parser.feed(piece)
        except (HTTPError, OSError, ValueError) as exc:
            raise Unreachable(self._server_url, "the stream was cut") from exc

    def close(self) -> None:
        """Ends the stream."""
        self._response.close()


def _session(session_id: str) -> str:
    return f"/v1/sessions/{quote(session_id, safe='')}"


def _chosen(agents: list[Agent], wanted: str | None) -> Agent:
    if wanted is None:
        found = agents
    else:
        found = (
            [one for one in agents if one.id == wanted]
            or [one for one in agents if one.name == wanted]
            or [one for one in agents if one.binding and one.binding.acp_agent_id == wanted]
        )
    if len(found) == 1:
        return found[0]
    told = ", ".join(f"{one.name or '?'} ({one.id})" for one in (found or agents)[:10])
    if found:
        raise MoorError("agent_ambiguous", f"Say which agent with --agent: {told}.")
    which = f"There is no agent {wanted!r}." if wanted else "There is no agent."
    raise MoorError("agent_not_found", f"{which} There are: {told}." if told else f"{which} Make one first.")
