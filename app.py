"""The roof: the Chalice app, its surfaces, its three WebSocket functions and the sweep; nothing else."""

from __future__ import annotations

from typing import Any

from chalice import Chalice, Rate

from chalicelib.api import (
    agents,
    binary,
    browser,
    connect,
    environments,
    files,
    models,
    openapi,
    pages,
    people,
    replies,
    runtimes,
    session_tokens,
    sessions,
    sockets,
)
from chalicelib.wiring import plane

app = Chalice(app_name="mooring", configure_logs=False)
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.api.binary_types = list(binary.BINARY_TYPES)
app.register_middleware(replies.middleware, "all")

described = (pages, browser, people, connect, runtimes, agents, environments, models, sessions, session_tokens, files)
surfaces = tuple(one.surface for one in described)
for one in (*surfaces, openapi.surface_of(surfaces)):
    app.register_blueprint(one.blueprint)


# These three stand here because Chalice leaves a blueprint's WebSocket functions unwrapped, and Lambda can't call them.
@app.on_ws_connect()
def ws_connect(event: Any) -> Any:
    """A WebSocket wants to open."""
    return sockets.connect(event)


@app.on_ws_message()
def ws_message(event: Any) -> Any:
    """A WebSocket says something."""
    return sockets.message(event)


@app.on_ws_disconnect()
def ws_disconnect(event: Any) -> Any:
    """A WebSocket has closed."""
    return sockets.disconnect(event)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: Any) -> Any:
    """Looks at every session whose time has come."""
    return {"looked_at": plane().sessions.sweep()}
