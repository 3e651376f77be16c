"""Sockets: what goes out to WebSockets, through API Gateway's @connections.

A connection can be *gone* (410: an input to whoever sent), or a message to it *lost* (429: the gateway's rate or the
client's buffer is full). A lost message is no error of the sender's and does not end the connection: what is owed is
sent again at the next hello, ping or sweep, and a viewer notices the gap. Everything else is a bug or an outage and
flies through, a message over the gateway's size (413) too.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ..wire.ids import ConnectionId

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 5.0
MAX_ATTEMPTS: Final = 2
"""A post is tried twice: whoever follows a session waits behind it, and what is lost is sent again anyway."""

POOL_CONNECTIONS: Final = 32
"""The local gateway runs many handlers in one process; a Lambda runs one."""

_GONE: Final = 410
_LIMITED: Final = 429


class Sockets:
    """What goes out to connections.

    Args:
        endpoint_url: ``https://{api}.execute-api.{region}.amazonaws.com/{stage}``, or a local gateway's.
        region: AWS region, which signs the requests; None leaves it to botocore.
    """

    def __init__(self, endpoint_url: str, region: str | None = None) -> None:
        self._endpoint_url = endpoint_url
        self._region = region
        self._making = threading.Lock()
        self._made: Any = None

    def post(self, connection_id: ConnectionId, message: bytes) -> bool:
        """Sends one message. False when the connection is gone; a rate limit of the gateway's counts as lost.

        Returns:
            False when the connection is gone. True when the message was sent, and also when it was lost (which is
            logged): the connection is there, so the sender must not treat it as ended.
        """
        try:
            self._client().post_to_connection(ConnectionId=connection_id, Data=message)
        except ClientError as exc:
            status = _status(exc)
            if status == _GONE:
                return False
            if status != _LIMITED:
                raise
            log.warning("connection=%s a message of %d bytes was lost: %s", connection_id, len(message), exc)
        return True

    def close(self, connection_id: ConnectionId) -> None:
        """Closes the connection if it is open."""
        try:
            self._client().delete_connection(ConnectionId=connection_id)
        except ClientError as exc:
            if _status(exc) != _GONE:
                raise

    def _client(self) -> Any:
        with self._making:
            if self._made is None:
                config = Config(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=READ_TIMEOUT_S,
                    retries={"total_max_attempts": MAX_ATTEMPTS, "mode": "standard"},
                    max_pool_connections=POOL_CONNECTIONS,
                )
                # Not boto3's default session: that one is shared by all threads and not made for it.
                self._made = boto3.Session(region_name=self._region).client(
                    "apigatewaymanagementapi", endpoint_url=self._endpoint_url, config=config
                )
            return self._made


def _status(exc: ClientError) -> int:
    return int(exc.response["ResponseMetadata"]["HTTPStatusCode"])
