"""Pages: what somebody sees who opens the plane in a browser, and what a monitor asks."""

from __future__ import annotations

from typing import Literal

from chalice import Blueprint, Response
from msgspec import Struct

from .surface import Surface

surface = Surface(Blueprint(__name__))

_FRONT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mooring</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; color: #1b2733 }
  code, pre { font-family: ui-monospace, monospace; background: #f1f4f7; border-radius: 4px; padding: .1em .3em }
  pre { padding: .8rem 1rem; overflow-x: auto }
</style>
<h1>Mooring</h1>
<p>This is the control plane of your team's coding agents. The agents run on your own laptops; each laptop holds one
outgoing connection to this plane, and whoever has an API key can talk to them from anywhere.</p>
<h2>Connect a laptop</h2>
<p>Ask for a connect code, good for five minutes and one laptop:</p>
<pre>curl -H 'Authorization: Bearer moor_…' -d '{"state":"choose-any-words"}' \
     -H 'Content-Type: application/json' PLANE/v1/runtimes/connect-runtime</pre>
<p>Then, on the laptop, with the <code>moor</code> command from the <code>daemon/</code> folder of Mooring's source:</p>
<pre>moor setup --server PLANE --code CODE --state choose-any-words --no-service
moor daemon</pre>
<p><code>PLANE</code> is the address of this page.</p>
<h2>Talk to an agent</h2>
<p>The API is that of Managed Agents: <code>POST v1/agents</code>, <code>POST v1/sessions</code>,
<code>POST v1/sessions/{id}/events</code>, and <code>GET v1/sessions/{id}/events/stream</code> to watch it work. Send
your key as <code>Authorization: Bearer moor_…</code>. <code>GET v1/runtimes</code> lists the laptops.</p>
<p><a href="health">Health</a></p>
</html>
"""


class Health(Struct, frozen=True):
    """The plane answers."""

    status: Literal["ok"] = "ok"


@surface.route("GET", "/", answer_type="text/html")
def front_page() -> Response:
    """What this is."""
    return Response(_FRONT, {"Content-Type": "text/html; charset=utf-8"})


@surface.route("GET", "/health")
def health() -> Health:
    """That the plane answers."""
    return Health()
