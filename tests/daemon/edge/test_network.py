"""Addresses, proxies and certificates, as the environment has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.edge.network import check_server_url, is_exposed, proxy_for, tls_context
from mooring.errors import MoorError


@pytest.mark.parametrize("url", ["https://a.example", " https://a.example/ ", "http://127.0.0.1:80/stage/"])
def test_an_address_loses_its_slash(url: str) -> None:
    assert check_server_url(url) == url.strip().rstrip("/")


@pytest.mark.parametrize("url", ["a.example", "ftp://a", "https://", "https://a?x=1", "https://a#x", "https://u:p@a"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(MoorError, match="bad_server_url"):
        check_server_url(url)


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("https://a.example", False),
        ("wss://a.example", False),
        ("http://127.0.0.1:1", False),
        ("ws://localhost:1", False),
        ("http://[::1]:1", False),
        ("http://10.0.0.1", True),
        ("ws://a.example", True),
    ],
)
def test_what_travels_in_the_clear(url: str, exposed: bool) -> None:
    assert is_exposed(url) is exposed


def test_a_websocket_takes_the_proxy_of_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    monkeypatch.setenv("http_proxy", "http://other.example")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert proxy_for("wss://a.example/ws") == "http://proxy.example:3128"
    assert proxy_for("ws://a.example/ws") == "http://other.example"
    assert proxy_for("https://inside.example") is None
    assert proxy_for("https://") is None


def test_certificates_that_can_not_be_read_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(MoorError, match=r"bad_ca_file.*none\.pem"):
        tls_context()
