"""Rows: items as DynamoDB has them, and how each kind of them is read by its own store.

A golden file of rows holds one item in each line: ``{"item": <DynamoDB JSON, binary in base64>, "read": <what its store
made of it>}``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import boto3

from chalicelib.core.catalog import File
from chalicelib.core.errors import BadRequest
from chalicelib.core.files import weight
from chalicelib.core.object_key import ObjectKey
from chalicelib.core.record import open_request, open_room, open_session
from chalicelib.stores import Tables
from chalicelib.wire.codec import digest
from chalicelib.wire.ids import (
    AgentId,
    ConnectionId,
    EnvironmentId,
    FileId,
    KeyId,
    RuntimeId,
    SessionId,
    TenantId,
    TurnId,
    UserId,
)
from tests.schedules.moto_world import REGION, empty

from .frozen import spelled_out
from .grammar import Item, kind_of

OPEN: Mapping[str, Callable[[bytes], Any]] = {"room": open_room, "session": open_session, "request": open_request}
"""How a record is opened, by the kind of its object."""


def object_key(text: str) -> ObjectKey:
    """An object's key as it is written: ``session:<tenant>/<session>``, ``room:<runtime>``, ``request:…``."""
    kind, _, place = text.partition(":")
    tenant_id, _, object_id = place.rpartition("/")
    return ObjectKey(kind, tenant_id, object_id)


def scanned(tables: Tables) -> Iterator[tuple[str, Item]]:
    """Every item of every table, with its kind."""
    client: Any = boto3.client("dynamodb", region_name=REGION)
    for model in tables.models:
        for item in client.get_paginator("scan").paginate(TableName=model.Meta.table_name).search("Items[]"):
            kind = kind_of(model, item)
            assert kind is not None, f"the key grammar knows no item like this one of {model.Meta.table_name}: {item}"
            yield kind, item


def put_raw(tables: Tables, items: Iterable[tuple[str, Item]]) -> None:
    """Empties all tables and puts these items, given with their kinds, past the stores."""
    client: Any = boto3.client("dynamodb", region_name=REGION)
    prefix = str(tables.models[0].Meta.table_name).rpartition("-")[0]
    empty()
    for kind, item in items:
        client.put_item(TableName=f"{prefix}-{kind.partition('/')[0]}", Item=item)


def as_line(item: Item, read: Any) -> bytes:
    """A line of a golden file."""
    shown = {name: {kind: _shown(value) for kind, value in typed.items()} for name, typed in item.items()}
    return json.dumps({"item": shown, "read": read}, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def as_item(line: Any) -> Item:
    """The item of such a line."""
    return {
        name: {kind: base64.b64decode(value) if kind == "B" else value for kind, value in typed.items()}
        for name, typed in line["item"].items()
    }


def read(tables: Tables, kind: str, item: Item) -> Any:
    """What its store makes of an item that is in its table, as JSON with every field. It may change the tables."""
    return spelled_out(READERS[kind](tables, item))


def _shown(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _text(item: Item, name: str) -> str:
    return str(item[name]["S"])


def _soon_expired(item: Item) -> float:
    return float(item["expires_at"]["N"]) - 1


def _record(tables: Tables, item: Item) -> object:
    key = object_key(_text(item, "pk"))
    stored = tables.objects.get(key, int(item["n"]["N"]))
    assert stored is not None
    record = OPEN[key.kind](stored.body)
    found = tables.objects.by_cause(key, record.cause) if record.cause else None
    return {"record": record, "found_by_cause": found.n if found else None}


def _body(tables: Tables, item: Item) -> object:
    tenant_id, session_id = _text(item, "pk").split("/")
    sha256 = _text(item, "sk").partition("#")[0]
    body = tables.bodies.get(TenantId(tenant_id), SessionId(session_id), sha256)
    assert body is not None
    return {"sha256": digest(body), "n_bytes": len(body)}


def _piece(tables: Tables, item: Item) -> object:
    tenant_id, turn_id = _text(item, "pk").split("/")
    epoch, counter = map(int, _text(item, "sk").split("."))
    return tables.live.read(TenantId(tenant_id), TurnId(turn_id), (epoch, counter), _soon_expired(item))[0]


def _work(tables: Tables, item: Item) -> object:
    found = tables.work.of_runtime(RuntimeId(_text(item, "runtime_id")))
    [work] = [one for one in found if one.session_id == _text(item, "session_id")]
    assert work in list(tables.work.due(work.due))
    return work


def _connection(tables: Tables, item: Item) -> object:
    return tables.connections.get(ConnectionId(_text(item, "connection_id")))


def _attachment(tables: Tables, item: Item) -> object:
    found = tables.attachments.of_session(SessionId(_text(item, "session_id")), _soon_expired(item))
    [attachment] = [one for one in found if one.reader_id == _text(item, "reader_id")]
    if attachment.connection_id is not None:
        assert attachment in tables.attachments.of_connection(attachment.connection_id)
    return attachment


def _tenant(tables: Tables, item: Item) -> object:
    return next(one for one in tables.tenants.all() if one.tenant_id == _text(item, "pk"))


def _runtime(tables: Tables, item: Item) -> object:
    tenant_id, name = _of_tenant(item)
    return tables.runtimes.get(tenant_id, RuntimeId(name))


def _note_of_token(tables: Tables, item: Item) -> object:
    _, runtime_id, token_hash = _text(item, "sk").split("#")
    tables.runtimes.revoke_tokens(TenantId(_text(item, "pk")), RuntimeId(runtime_id), 1.0)
    token = tables.runtimes.token(token_hash)
    return {"revoked_at": token.revoked_at if token else None}


def _agent(tables: Tables, item: Item) -> object:
    tenant_id, name = _of_tenant(item)
    return tables.agents.get(tenant_id, AgentId(name))


def _older_agent(tables: Tables, item: Item) -> object:
    tenant_id, name = _of_tenant(item)
    agent_id, _, version = name.partition("#")
    return tables.agents.older(tenant_id, AgentId(agent_id), int(version))


def _environment(tables: Tables, item: Item) -> object:
    tenant_id, name = _of_tenant(item)
    return tables.environments.get(tenant_id, EnvironmentId(name))


def _session_row(tables: Tables, item: Item) -> object:
    tenant_id, name = _of_tenant(item)
    return tables.sessions.get(tenant_id, SessionId(name))


def _open_sessions(tables: Tables, item: Item) -> object:
    """Of the number of sessions only a limit asks, which lets no more in or one more."""
    tenant_id, n_open = TenantId(_text(item, "pk")), int(item["n_open"]["N"])
    # As of its own time the number is not counted anew.
    may_have = [
        tables.sessions.reserve(tenant_id, most, float(item["counted_at"]["N"])) for most in (n_open, n_open + 1)
    ]
    return {"n_open": n_open, "one_more_goes": may_have}


def _file(tables: Tables, item: Item) -> object:
    tenant_id, name = _of_tenant(item)
    return tables.files.get(tenant_id, FileId(name))


def _bytes_of_files(tables: Tables, item: Item) -> object:
    """Of the number of bytes only a limit asks, which lets no further file in or this one."""
    tenant_id, n_bytes = TenantId(_text(item, "pk")), int(item["n_bytes"]["N"])
    one = File(
        tenant_id=tenant_id, file_id=FileId("file_later"), filename="a", mime_type="a/b", size_bytes=1, created_at=0.0
    )
    full = n_bytes + weight(one)
    return {"n_bytes": n_bytes, "one_more_goes": [tables.files.put(one, most) for most in (full - 1, full)]}


def _user(tables: Tables, item: Item) -> object:
    tenant_id, name = _of_tenant(item)
    return tables.users.get(tenant_id, UserId(name))


def _note_of_key(tables: Tables, item: Item) -> object:
    tenant_id, name = _of_tenant(item)
    return tables.tenants.note(tenant_id, KeyId(name))


def _note_of_connection(tables: Tables, item: Item) -> object:
    tenant_id, name = _of_tenant(item)
    holder, _, connection_id = name.partition("#")
    [found] = [one for one in tables.connections.of_holder(tenant_id, holder) if one == connection_id]
    return {"connection_id": found}


def _key(tables: Tables, item: Item) -> object:
    return tables.tenants.key(_text(item, "pk").partition("#")[2])


def _token(tables: Tables, item: Item) -> object:
    return tables.runtimes.token(_text(item, "pk").partition("#")[2])


def _code(tables: Tables, item: Item) -> object:
    challenge = _text(item, "code_challenge") if "code_challenge" in item else None
    spend = tables.runtimes.spend_code
    try:
        return spend(_text(item, "code_hash"), _text(item, "state_hash"), challenge, _soon_expired(item))
    except BadRequest as exc:
        return {"refused": exc.code}


def _pass(tables: Tables, item: Item) -> object:
    # The whole second of its expiry is rounded up.
    return tables.passes.get(_text(item, "pass_hash"), float(item["ttl"]["N"]) - 1)


def _session_token(tables: Tables, item: Item) -> object:
    return tables.passes.token(_text(item, "pass_hash").partition("#")[2], float(item["ttl"]["N"]) - 1)


def _note_of_session_token(tables: Tables, item: Item) -> object:
    tenant_id, name = _of_tenant(item)
    session_id, _, token_id = name.partition("#")
    found = tables.passes.tokens(tenant_id, SessionId(session_id), float(item["ttl"]["N"]) - 1)
    return next(one for one in found if one.token_id == token_id)


def _canary(tables: Tables, item: Item) -> object:
    tenant_id, name = _of_tenant(item)
    return tables.runtimes.canary(tenant_id, RuntimeId(name))


def _device(tables: Tables, item: Item) -> object:
    return tables.devices.get(_text(item, "pk").partition("#")[2], _soon_expired(item))


def _guesses(tables: Tables, item: Item) -> object:
    """Of the number of guesses only a bound asks, which lets no further one in or one more."""
    tenant_id, n_guesses, now = (
        TenantId(_text(item, "pk").partition("#")[2]),
        int(item["n_guesses"]["N"]),
        _soon_expired(item),
    )
    one_more = [tables.devices.take_guess(tenant_id, most, now, now + 600) for most in (n_guesses, n_guesses + 1)]
    return {"n_guesses": n_guesses, "one_more_goes": one_more}


def _of_tenant(item: Item) -> tuple[TenantId, str]:
    return TenantId(_text(item, "pk")), _text(item, "sk").partition("#")[2]


READERS: Mapping[str, Callable[[Tables, Item], object]] = {
    "objects/session": _record,
    "objects/room": _record,
    "objects/request": _record,
    "bodies/head": _body,
    "bodies/part": _body,
    "live/counter": _piece,
    "work/session": _work,
    "connections/connection": _connection,
    "attachments/reader": _attachment,
    "records/tenant": _tenant,
    "records/runtime": _runtime,
    "records/token": _note_of_token,
    "records/agent": _agent,
    "records/agentv": _older_agent,
    "records/environment": _environment,
    "records/session": _session_row,
    "records/sessions": _open_sessions,
    "records/file": _file,
    "records/files": _bytes_of_files,
    "records/user": _user,
    "records/key": _note_of_key,
    "records/open": _note_of_connection,
    "secrets/key": _key,
    "secrets/token": _token,
    "codes/hash": _code,
    "passes/hash": _pass,
    "passes/token": _session_token,
    "records/stoken": _note_of_session_token,
    "records/canary": _canary,
    "devices/code": _device,
    "devices/guesses": _guesses,
}
"""The read method of each kind's store; of what is only ever spent or revoked, the method that does so."""
