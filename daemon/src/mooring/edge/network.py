"""How this laptop reaches the network: certificates and proxies, as its environment says.

Certificates: ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` (OpenSSL's own), or ``REQUESTS_CA_BUNDLE`` where only that is set.
Proxies: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY`` and their lower-case forms.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import urllib.request
from urllib.parse import urlsplit

from ..errors import MoorError

_HTTP_OF = {"ws": "http", "wss": "https"}


def tls_context() -> ssl.SSLContext:
    """What outgoing TLS trusts.

    Raises:
        MoorError: ``bad_ca_file``.
    """
    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
    try:
        return ssl.create_default_context(cafile=named)
    except OSError as exc:
        raise MoorError("bad_ca_file", f"The certificates in {named} can't be read: {exc.strerror or exc}.") from exc


def proxy_for(url: str) -> str | None:
    """The proxy to use for ``url`` (http, https, ws or wss), or None to go straight."""
    parts = urlsplit(url)
    scheme = _HTTP_OF.get(parts.scheme, parts.scheme)
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    found = urllib.request.getproxies().get(scheme)
    if found and "://" not in found:
        return f"http://{found}"
    return found


def check_server_url(url: str) -> str:
    """``url`` without a slash at its end.

    Raises:
        MoorError: ``bad_server_url``.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise MoorError(
            "bad_server_url", f"{url!r} is no server's address; it should look like https://mooring.example."
        )
    return url.strip().rstrip("/")


def is_exposed(url: str) -> bool:
    """Whether what is sent to ``url`` leaves this laptop unencrypted."""
    parts = urlsplit(url)
    if parts.scheme in ("https", "wss"):
        return False
    host = parts.hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
