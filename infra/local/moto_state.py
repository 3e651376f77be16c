"""What the emulated AWS holds, and how it comes back: record at the WSGI border, replay, compact.

Kept are DynamoDB tables and items, S3 buckets and objects (latest version, without tags), and symmetric KMS keys with
their aliases, because ciphertexts in a table are worth nothing without them. Other services start empty.

Everything that changes something runs under one lock, from the request's dispatch until its line is in the journal, so
the journal's order is the order in which the changes took effect.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID

from infra.local.journal import Entry, Journal

log = logging.getLogger(__name__)

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

DEFAULT_REGION = "us-east-1"
TABLE_PREFIX = "DynamoDB_20120810."
ITEM_ACTIONS = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
READS = ("Get", "BatchGet", "TransactGet", "Query", "Scan", "List", "Describe")
KMS_USES = ("Encrypt", "Decrypt", "ReEncrypt", "Generate", "Sign", "Verify")
KEPT_OBJECT_HEADERS = ("content-type", "content-encoding", "content-disposition", "content-language", "cache-control")
TTL_GRACE_S = 48 * 3600
"""DynamoDB deletes expired items "within a few days"; moto never does. Compaction leaves them out after two."""


class Answer:
    """A finished WSGI answer."""

    def __init__(self, app: WSGIApp, environ: dict[str, Any]) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        chunks = app(environ, self._start)
        try:
            self.body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    @property
    def is_success(self) -> bool:
        """True for 2xx."""
        return self.status.startswith("2")

    def _start(self, status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        self.status = status
        self.headers = headers


class MotoState:
    """A WSGI app round moto's that keeps what changes.

    Args:
        app: moto's own WSGI app.
        lock: The lock that moto's DynamoDB dispatch takes, too. Reentrant.
    """

    def __init__(self, app: WSGIApp, lock: threading.RLock) -> None:
        self._app = app
        self._lock = lock
        self._journal: Journal | None = None
        self._known_keys: set[str] = set()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, and record it if it changed something."""
        if self._journal is None:
            return self._app(environ, start_response)
        service, region = _service_of(environ)
        if not _may_change(service, environ):
            return self._app(environ, start_response)
        # The body is read before the lock is taken: a slow upload holds nobody up.
        entry = _entry_of(service, region, environ)
        environ["wsgi.input"] = io.BytesIO(entry.body)
        environ["CONTENT_LENGTH"] = str(len(entry.body))
        with self._lock:
            answer = Answer(self._app, environ)
            if answer.is_success:
                for change in self._changes(entry):
                    self._journal.append(change)
        start_response(answer.status, answer.headers)
        return [answer.body]

    def record_into(self, journal: Journal) -> None:
        """Record from now on."""
        self._journal = journal

    def close(self) -> None:
        """Let what is running finish, then record no more and close the journal."""
        with self._lock:
            if self._journal is not None:
                self._journal.close()
                self._journal = None

    def replay(self, entries: Iterable[Entry]) -> int:
        """Do again what a journal says.

        Returns:
            How many entries did not succeed this time; each is logged.
        """
        failed = 0
        for entry in entries:
            if entry.service == "kms-key":
                self._restore_key(entry)
                continue
            answer = Answer(self._app, _environ_of(entry))
            if not answer.is_success:
                failed += 1
                what = _action(entry) or entry.target
                log.error("service=%s request=%s did not replay: %s", entry.service, what, answer.status)
        return failed

    def compact(self, entries: list[Entry]) -> Iterator[Entry]:
        """Say the present state in as few entries as possible.

        Args:
            entries: The journal that led here, for what can't be asked back: how tables and buckets were made.
        """
        yield from (entry for entry in entries if entry.service.startswith("kms"))
        for region, backend in get_backend("dynamodb")[DEFAULT_ACCOUNT_ID].items():
            for table in list(backend.tables):
                yield from _since_creation(entries, partial(_makes_table, region, table))
                yield from self._items(region, table)
        for bucket in list(get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].buckets.values()):
            made = _since_creation(entries, partial(_makes_bucket, bucket.name))
            yield from made or [Entry("s3", DEFAULT_REGION, "PUT", "/" + bucket.name)]
            for key in list(bucket.keys):
                yield self._object(Entry("s3", DEFAULT_REGION, target=f"/{bucket.name}/{quote(key)}"))

    def _changes(self, entry: Entry) -> Iterator[Entry]:
        """Say what to write for a request that succeeded."""
        if entry.service == "kms":
            yield from self._new_keys(entry.region)
            # A new key was just written with its material, and using a key changes nothing.
            if _action(entry) != "CreateKey" and not (_action(entry) or "").startswith(KMS_USES):
                yield entry
        elif entry.service == "s3" and {"uploads", "uploadId"} & _query(entry).keys():
            # Upload ids are random, so the parts can't be replayed: a finished upload is written as one object.
            if entry.method == "POST" and "uploadId" in _query(entry):
                yield self._object(entry)
        else:
            yield entry

    def _items(self, region: str, table: str) -> Iterator[Entry]:
        ttl_attribute = self._ask(region, "DescribeTimeToLive", {"TableName": table})["TimeToLiveDescription"].get(
            "AttributeName"
        )
        dead_before = time.time() - TTL_GRACE_S
        page: dict[str, Any] = {}
        while True:
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if page else {}
            page = self._ask(region, "Scan", {"TableName": table, "ConsistentRead": True, **start})
            for item in page["Items"]:
                expires_at = item.get(ttl_attribute, {}).get("N")
                if expires_at is None or float(expires_at) > dead_before:
                    yield _table_request(region, "PutItem", {"TableName": table, "Item": item})
            if "LastEvaluatedKey" not in page:
                return

    def _ask(self, region: str, action: str, question: dict[str, Any]) -> dict[str, Any]:
        answer = Answer(self._app, _environ_of(_table_request(region, action, question)))
        if not answer.is_success:
            raise RuntimeError(f"{action} answered {answer.status}: {answer.body[:200]!r}")
        described: dict[str, Any] = json.loads(answer.body)
        return described

    def _object(self, named: Entry) -> Entry:
        """Write the object that an entry's path names as the one PUT that makes it."""
        path = urlsplit(named.target).path
        request = Entry("s3", named.region, "GET", path, {k: v for k, v in named.headers.items() if k == "host"})
        answer = Answer(self._app, _environ_of(request))
        if not answer.is_success:
            raise RuntimeError(f"GET {path} answered {answer.status}")
        kept = {
            name.lower(): value
            for name, value in answer.headers
            if name.lower() in KEPT_OBJECT_HEADERS or name.lower().startswith("x-amz-meta-")
        }
        return Entry("s3", named.region, "PUT", path, {**request.headers, **kept}, answer.body)

    def _new_keys(self, region: str) -> Iterator[Entry]:
        for key in list(get_backend("kms")[DEFAULT_ACCOUNT_ID][region].keys.values()):
            if key.id in self._known_keys:
                continue
            self._known_keys.add(key.id)
            if key.key_spec != "SYMMETRIC_DEFAULT":
                log.warning("key=%s spec=%s is not kept over a restart", key.id, key.key_spec)
                continue
            kept = {
                "id": key.id,
                "material": base64.b64encode(key.key_material).decode(),
                "policy": key.policy,
                "usage": key.key_usage,
                "description": key.description,
                "aliases": list(key.aliases),
            }
            yield Entry("kms-key", region, body=json.dumps(kept).encode())

    def _restore_key(self, entry: Entry) -> None:
        kept = json.loads(entry.body)
        backend = get_backend("kms")[DEFAULT_ACCOUNT_ID][entry.region]
        key = backend.create_key(kept["policy"], kept["usage"], "SYMMETRIC_DEFAULT", kept["description"], None)
        del backend.keys[key.id]
        key.arn = key.arn.replace(key.id, kept["id"])
        key.id = kept["id"]
        key.key_material = base64.b64decode(kept["material"])
        backend.keys[key.id] = key
        self._known_keys.add(key.id)
        for alias in kept["aliases"]:
            backend.create_alias(key.id, alias)


def _service_of(environ: dict[str, Any]) -> tuple[str, str]:
    """Read service and region out of the signature, as moto does; unsigned requests are S3's."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0]
    if not scope:
        scope = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])[0]
    parts = scope.split("/")
    return (parts[3].lower(), parts[2]) if len(parts) == 5 else ("s3", DEFAULT_REGION)


def _may_change(service: str, environ: dict[str, Any]) -> bool:
    target: str = environ.get("HTTP_X_AMZ_TARGET", "")
    action = target.rpartition(".")[2]
    match service:
        case "dynamodb":
            return target.startswith(TABLE_PREFIX) and not action.startswith(READS)
        case "kms":
            # Even Encrypt may make a key: an account's own `alias/aws/...` is made at first use.
            return not action.startswith(("List", "Get"))
        case "s3":
            return environ["REQUEST_METHOD"] in ("PUT", "POST", "DELETE")
        case _:
            return False


def _entry_of(service: str, region: str, environ: dict[str, Any]) -> Entry:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    }
    for secret_or_hop in ("authorization", "x-amz-security-token", "transfer-encoding", "connection", "expect"):
        headers.pop(secret_or_hop, None)
    if content_type := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        body = stream.read()
    else:
        body = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    return Entry(service, region, environ["REQUEST_METHOD"], environ["REQUEST_URI"], headers, body)


def _environ_of(entry: Entry) -> dict[str, Any]:
    """Make the WSGI request of an entry."""
    parts = urlsplit(entry.target)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": entry.method,
        "SCRIPT_NAME": "",
        # WSGI carries a path's bytes as Latin-1 (PEP 3333).
        "PATH_INFO": unquote(parts.path, encoding="latin-1"),
        "QUERY_STRING": parts.query,
        "REQUEST_URI": entry.target,
        "RAW_URI": entry.target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": (
            f"AWS4-HMAC-SHA256 Credential=replay/20200101/{entry.region}/{entry.service}/aws4_request, "
            "SignedHeaders=host, Signature=0"
        ),
        "CONTENT_LENGTH": str(len(entry.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(entry.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in entry.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    environ.pop("HTTP_CONTENT_LENGTH", None)
    return environ


def _table_request(region: str, action: str, body: dict[str, Any]) -> Entry:
    headers = {"x-amz-target": TABLE_PREFIX + action, "content-type": "application/x-amz-json-1.0"}
    return Entry("dynamodb", region, "POST", "/", headers, json.dumps(body, separators=(",", ":")).encode())


def _action(entry: Entry) -> str | None:
    target = entry.headers.get("x-amz-target")
    return target.rpartition(".")[2] if target else None


def _query(entry: Entry) -> dict[str, list[str]]:
    return parse_qs(urlsplit(entry.target).query, keep_blank_values=True)


def _makes_table(region: str, table: str, entry: Entry) -> bool:
    """Say whether an entry makes or configures this table; entries for its items do not."""
    if entry.service != "dynamodb" or entry.region != region or _action(entry) in ITEM_ACTIONS:
        return False
    body = json.loads(entry.body)
    # Tags name their table by ARN: arn:aws:dynamodb:<region>:<account>:table/<name>.
    return table in (body.get("TableName"), body.get("ResourceArn", "").rpartition("/")[2])


def _makes_bucket(bucket: str, entry: Entry) -> bool:
    """Say whether an entry makes or configures this bucket; entries for its objects do not."""
    is_bulk_delete = entry.method == "POST" and "delete" in _query(entry)
    return entry.service == "s3" and urlsplit(entry.target).path.strip("/") == bucket and not is_bulk_delete


def _since_creation(entries: list[Entry], belongs: Callable[[Entry], bool]) -> list[Entry]:
    """Pick what belongs to a table or bucket that exists, from its last creation on."""
    kept: list[Entry] = []
    for entry in entries:
        if belongs(entry):
            if _action(entry) == "CreateTable" or (entry.service, entry.method, _query(entry)) == ("s3", "PUT", {}):
                kept = []
            kept.append(entry)
    return kept
