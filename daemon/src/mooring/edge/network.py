"""How this laptop reaches the network: certificates and proxies.

The environment says it. What a flag or ``config.toml`` says is put there, so that agents, which are told by the same
variables, go the same way. A flag counts above the environment, and that above ``config.toml``.

Certificates: ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` (OpenSSL's own), or ``REQUESTS_CA_BUNDLE`` where only that is set;
without any of them those that the system trusts, macOS's keychain and Windows' store too.
Proxies: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY`` and their lower-case forms.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import urllib.request
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import truststore

from ..errors import MoorError

_CA_FILES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
_STRAIGHT: Final = ("NO_PROXY", "no_proxy")
_LOOPBACK: Final = "localhost,127.0.0.1,::1"
_HTTP_OF = {"ws": "http", "wss": "https"}


def use(env: MutableMapping[str, str], *, ca_file: str | None, proxy: str | None) -> None:
    """Puts into an environment what was said on purpose; None leaves it as it is.

    Args:
        env: the process's own environment.
        ca_file: the certificates to trust in place of the system's.
        proxy: the proxy for everything but this laptop itself, unless ``NO_PROXY`` says otherwise.

    Raises:
        MoorError: ``bad_proxy``.
    """
    if ca_file is not None:
        # Node's own variable adds to what it trusts; agents run with other folders, so the path is whole.
        named = str(Path(ca_file).expanduser().absolute())
        env.update(dict.fromkeys((*_CA_FILES, "NODE_EXTRA_CA_CERTS"), named))
    if proxy is not None:
        env.update(dict.fromkeys(_PROXIES, _check_proxy(proxy)))
        if not _said(env, _STRAIGHT):
            env.update(dict.fromkeys(_STRAIGHT, _LOOPBACK))


def use_where_silent(env: MutableMapping[str, str], *, ca_file: str | None, proxy: str | None) -> None:
    """The same where the environment itself says nothing."""
    use(
        env,
        ca_file=None if _said(env, _CA_FILES) else ca_file,
        proxy=None if _said(env, _PROXIES) else proxy,
    )


def tls_context() -> ssl.SSLContext:
    """What outgoing TLS trusts.

    Raises:
        MoorError: ``bad_ca_file``.
    """
    named, folder = _said(os.environ, _CA_FILES), os.environ.get("SSL_CERT_DIR")
    if not named and not folder:
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return ssl.create_default_context(cafile=named, capath=folder or None)
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


def proxy_login(proxy: str) -> tuple[str, str] | None:
    """Name and password that a proxy's address holds, or None."""
    parts = urlsplit(proxy)
    return (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


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


def _said(env: MutableMapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)


def _check_proxy(proxy: str) -> str:
    whole = proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(whole)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise MoorError("bad_proxy", "That is no proxy's address; it should look like http://proxy.example:3128.")
    return whole
