"""The roof: what Chalice finds in it."""

from __future__ import annotations

from chalice.app import Rate, ScheduledEventConfig

from app import app
from chalicelib import wiring
from tests.knocking import World


def test_the_three_websocket_functions_are_there_from_day_one() -> None:
    names = {route: config.name for route, config in app.websocket_handlers.items()}
    assert names == {"$connect": "ws_connect", "$default": "ws_message", "$disconnect": "ws_disconnect"}
    assert "WEBSOCKETS" in app.experimental_feature_flags


def test_the_sweep_runs_every_minute() -> None:
    (source,) = app.event_sources
    assert isinstance(source, ScheduledEventConfig)
    assert source.name == "sweep"
    assert isinstance(source.schedule_expression, Rate)
    assert source.schedule_expression.to_string() == "rate(1 minute)"


def test_the_sweep_ends_what_has_expired() -> None:
    world = World()
    ada = world.tenant()
    session_id = ada.session(ada.agent(ada.laptop().runtime_id)["id"])["id"]
    ada.post(
        f"/v1/sessions/{session_id}/events", {"events": [{"type": "user.message", "content": "x"}], "expires_in": 1}
    )
    world.clock.time += 61
    event = dict.fromkeys(
        ("version", "account", "region", "detail", "detail-type", "source", "time", "id", "resources")
    )
    assert app.handler_map["sweep"](event, None) == {"looked_at": 1}
    assert ada.get(f"/v1/sessions/{session_id}")["status"] == "idle"
    wiring.reset()
