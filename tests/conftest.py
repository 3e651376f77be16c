"""What tests of several floors share: AWS in this process."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator

import pytest
from moto import mock_aws
from moto.dynamodb.responses import DynamoHandler


def pytest_configure() -> None:
    """Lets Ctrl-C reach the commands that tests start: a run begun in the background ignores it, and so would they."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    """AWS emulated in this process for one module's tests, empty at first, with one lock round its DynamoDB.

    moto checks a condition and writes the item in two steps: without the lock two threads' conditional writes would
    both succeed now and then, which DynamoDB's never do.
    """
    lock = threading.RLock()
    unlocked = DynamoHandler.call_action

    def call_action(handler: DynamoHandler) -> object:
        with lock:
            return unlocked(handler)

    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(DynamoHandler, "call_action", call_action)
        yield


@pytest.fixture(autouse=True)
def _own_loggers() -> Iterator[None]:
    """Puts the loggers of plane and daemon back: either, run in this process, takes its own from pytest."""
    ours = [logging.getLogger(name) for name in ("mooring", "chalicelib")]
    kept = [(one.handlers[:], one.propagate, one.level) for one in ours]
    yield
    for one, (handlers, propagate, level) in zip(ours, kept, strict=True):
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)
