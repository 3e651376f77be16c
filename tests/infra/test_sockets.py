"""WebSockets of the local gateway, seen by websocket-client and by the app's three functions."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
import websocket
from botocore.exceptions import ClientError

from tests.infra.conftest import TIMEOUT_S, RunningGateway, StartGateway
from tests.infra.small_app import management_client


def send(client: websocket.WebSocket, **wish: str) -> None:
    client.send(json.dumps(wish))


def close_frame(client: websocket.WebSocket) -> tuple[int, str]:
    """Read up to the close frame; its code and reason."""
    while True:
        opcode, payload = client.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return struct.unpack("!H", payload[:2])[0], payload[2:].decode()


def frames_of_one_message(client: websocket.WebSocket) -> Iterator[bytes]:
    is_last = False
    while not is_last:
        frame = client.recv_frame()  # type: ignore[no-untyped-call]
        is_last = bool(frame.fin)
        yield frame.data


def fragments(client: websocket.WebSocket, text: str, size: int) -> None:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    for index, piece in enumerate(pieces):
        opcode = websocket.ABNF.OPCODE_TEXT if index == 0 else websocket.ABNF.OPCODE_CONT
        client.send_frame(websocket.ABNF.create_frame(piece, opcode, int(index == len(pieces) - 1)))


def error_code(action: Any, **arguments: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        action(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_message_is_answered_through_boto3(gateway: RunningGateway) -> None:
    client = gateway.connect()
    send(client, do="echo", text="hé")
    assert client.recv() == "hé"


def test_connect_event_has_headers_query_and_context(gateway: RunningGateway) -> None:
    gateway.connect("?a=1&a=2&b=x%20y", header=["X-Key: k1", "User-Agent: probe"])
    event = gateway.small.connects.get(timeout=TIMEOUT_S)
    assert event["queryStringParameters"] == {"a": "2", "b": "x y"}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": ["x y"]}
    assert event["headers"]["X-Key"] == "k1"
    assert event["multiValueHeaders"]["X-Key"] == ["k1"]
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"], context["messageDirection"]) == ("$connect", "CONNECT", "IN")
    assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "probe"}
    assert context["connectionId"].endswith("=")
    assert context["domainName"] == gateway.ws_url.removeprefix("ws://")
    assert isinstance(context["requestTimeEpoch"], int)


@pytest.mark.parametrize(("query", "status"), [("?status=401", 401), ("?status=403", 403), ("?raise=1", 502)])
def test_refused_handshake_shows_the_handlers_status(gateway: RunningGateway, query: str, status: int) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        gateway.connect(query)
    assert refused.value.status_code == status
    assert json.loads(refused.value.resp_body or b"")["connectionId"]


def test_refused_handshake_when_connect_is_too_slow(start_gateway: StartGateway) -> None:
    gateway = start_gateway(integration_s=0.2)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        gateway.connect("?gate=never")
    assert refused.value.status_code == 504


def test_subprotocol_of_the_handler_reaches_the_client(gateway: RunningGateway) -> None:
    client = gateway.connect("?protocol=mooring.v1", subprotocols=["mooring.v1"])
    assert client.getsubprotocol() == "mooring.v1"


def test_post_is_gone_before_connect_ends_and_after_close(gateway: RunningGateway) -> None:
    client = gateway.connect("?post=1")
    assert gateway.small.refusals_in_connect.get(timeout=TIMEOUT_S) == "GoneException"
    send(client, do="echo")
    connection_id = client.recv()
    client.close()
    gateway.small.disconnects.get(timeout=TIMEOUT_S)
    api = management_client(gateway.url)
    assert error_code(api.post_to_connection, ConnectionId=connection_id, Data=b"x") == (410, "GoneException")
    assert error_code(api.get_connection, ConnectionId=connection_id) == (410, "GoneException")
    assert error_code(api.delete_connection, ConnectionId="never=") == (410, "GoneException")


def test_connections_api_describes_and_closes(gateway: RunningGateway) -> None:
    client = gateway.connect(header=["User-Agent: probe"])
    send(client, do="echo")
    connection_id = client.recv()
    api = management_client(gateway.url)
    described = api.get_connection(ConnectionId=connection_id)
    assert described["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "probe"}
    assert described["ConnectedAt"] <= described["LastActiveAt"]
    api.delete_connection(ConnectionId=connection_id)
    assert error_code(api.get_connection, ConnectionId=connection_id)[0] == 410
    assert close_frame(client)[0] == 1000


def test_posts_up_to_128_kb_arrive_in_32_kb_frames_and_beyond_are_too_large(gateway: RunningGateway) -> None:
    client = gateway.connect()
    send(client, do="echo")
    connection_id = client.recv()
    api = management_client(gateway.url)
    largest = "é" * (64 * 1024)
    api.post_to_connection(ConnectionId=connection_id, Data=largest.encode())
    frames = list(frames_of_one_message(client))
    assert max(len(frame) for frame in frames) <= 32 * 1024
    assert b"".join(frames).decode() == largest
    too_large = b"x" * (128 * 1024 + 1)
    assert error_code(api.post_to_connection, ConnectionId=connection_id, Data=too_large) == (
        413,
        "PayloadTooLargeException",
    )


def test_client_that_does_not_read_is_a_limit_exceeded(gateway: RunningGateway) -> None:
    client = gateway.connect()
    send(client, do="echo")
    connection_id = client.recv()
    api = management_client(gateway.url)

    def flood() -> None:
        for _ in range(400):  # 50 MB, far more than the kernel's buffers hold.
            api.post_to_connection(ConnectionId=connection_id, Data=b"x" * (128 * 1024))

    assert error_code(flood) == (429, "LimitExceededException")


def test_post_that_is_not_text_is_a_bad_request(gateway: RunningGateway) -> None:
    client = gateway.connect()
    send(client, do="echo")
    api = management_client(gateway.url)
    assert error_code(api.post_to_connection, ConnectionId=client.recv(), Data=b"\xff") == (400, "BadRequestException")


def test_frame_over_32_kb_closes_with_1009(gateway: RunningGateway) -> None:
    client = gateway.connect()
    client.send("x" * (32 * 1024 + 1))
    assert close_frame(client)[0] == 1009
    assert gateway.small.disconnects.get(timeout=TIMEOUT_S)["requestContext"]["disconnectStatusCode"] == 1009


def test_message_in_fragments_may_be_128_kb_and_not_more(gateway: RunningGateway) -> None:
    client = gateway.connect()
    wish = json.dumps({"do": "echo", "text": "fine", "pad": ""})
    fragments(client, wish[:-2] + "x" * (128 * 1024 - len(wish)) + wish[-2:], 32 * 1024)
    assert client.recv() == "fine"
    fragments(client, "x" * (128 * 1024 + 1), 32 * 1024)
    assert close_frame(client)[0] == 1009


def test_binary_frame_closes_with_1003(gateway: RunningGateway) -> None:
    client = gateway.connect()
    client.send_binary(b"\x00")
    assert close_frame(client)[0] == 1003


def test_idle_connection_closes_with_1001(start_gateway: StartGateway) -> None:
    gateway = start_gateway(idle_s=0.3)
    assert close_frame(gateway.connect()) == (1001, "Going away")


def test_connection_closes_at_its_age_although_it_is_busy(start_gateway: StartGateway) -> None:
    gateway = start_gateway(connection_s=0.5, idle_s=60.0)
    client = gateway.connect()
    send(client, do="echo", text="busy")
    assert client.recv() == "busy"
    assert close_frame(client) == (1001, "Going away")


@pytest.mark.parametrize("limit_s", [29.0, 0.2])
def test_failed_or_slow_message_is_answered_by_an_error_frame(start_gateway: StartGateway, limit_s: float) -> None:
    gateway = start_gateway(integration_s=limit_s)
    client = gateway.connect()
    wish = {"do": "raise"} if limit_s == 29.0 else {"do": "echo", "gate": "slow"}
    send(client, **wish)
    frame = json.loads(client.recv())
    assert frame["message"] == "Internal server error"
    assert frame["connectionId"] == gateway.small.connects.get(timeout=TIMEOUT_S)["requestContext"]["connectionId"]
    assert frame["requestId"]


def test_later_message_overtakes_an_earlier_one(gateway: RunningGateway) -> None:
    client = gateway.connect()
    send(client, do="echo", text="earlier", gate="held")
    send(client, do="echo", text="later")
    assert client.recv() == "later"
    gateway.small.gates["held"].set()
    assert client.recv() == "earlier"


def test_ordered_gateway_handles_one_message_after_the_other(start_gateway: StartGateway) -> None:
    gateway = start_gateway(is_ordered=True)
    client, steps = gateway.connect(), gateway.small.steps
    send(client, do="echo", text="1", name="first", gate="held")
    send(client, do="echo", text="2", name="second")
    assert steps.get(timeout=TIMEOUT_S) == ("start", "first")
    # The other connection's round trip gives the second message every chance to start too early.
    other = gateway.connect()
    send(other, do="echo", text="0", name="other")
    assert other.recv() == "0"
    gateway.small.gates["held"].set()
    assert [client.recv(), client.recv()] == ["1", "2"]
    seen = [steps.get(timeout=TIMEOUT_S) for _ in range(5)]
    assert [step for step in seen if step[1] != "other"] == [("end", "first"), ("start", "second"), ("end", "second")]


def test_disconnect_comes_once_with_code_and_reason(gateway: RunningGateway) -> None:
    first, second = gateway.connect(), gateway.connect()
    ids = [gateway.small.connects.get(timeout=TIMEOUT_S)["requestContext"]["connectionId"] for _ in range(2)]
    first.close(status=4001, reason=b"tired")
    told = gateway.small.disconnects.get(timeout=TIMEOUT_S)["requestContext"]
    assert (told["connectionId"], told["eventType"], told["routeKey"]) == (ids[0], "DISCONNECT", "$disconnect")
    assert (told["disconnectStatusCode"], told["disconnectReason"]) == (4001, "tired")
    second.shutdown()  # type: ignore[no-untyped-call]
    told = gateway.small.disconnects.get(timeout=TIMEOUT_S)["requestContext"]
    assert (told["connectionId"], told["disconnectStatusCode"]) == (ids[1], 1006)
    gateway.stop()
    assert gateway.small.disconnects.empty()


def test_stop_closes_with_1001_and_tells_disconnect(start_gateway: StartGateway) -> None:
    gateway = start_gateway()
    client = gateway.connect()
    gateway.request_stop()
    assert close_frame(client)[0] == 1001
    assert gateway.small.disconnects.get(timeout=TIMEOUT_S)["requestContext"]["disconnectStatusCode"] == 1001


def test_schedule_calls_the_function_with_a_cloudwatch_event(start_gateway: StartGateway) -> None:
    gateway = start_gateway(sweep_every_s=0.05)
    event = gateway.small.sweeps.get(timeout=TIMEOUT_S)
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert gateway.small.sweeps.get(timeout=TIMEOUT_S)["id"] != event["id"]
