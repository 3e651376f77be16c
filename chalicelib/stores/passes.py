"""Passes: what browsers hold in place of keys, and session tokens.

A session token is one item by its id, in which all of its secrets stand, so that of a change and a use at the same
moment each sees the other. Its note leads from the session to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from ..core.catalog import Pass
from ..core.session_token import SessionToken
from ..wire.ids import SessionId, TenantId
from .table import Records, Table, save, ttl_of


class PassRows(Table):
    """One item is one pass, by the hash of its secret, or one session token, by its id."""

    suffix = "passes"

    pass_hash = UnicodeAttribute(hash_key=True)
    body = UnicodeAttribute()
    ttl = NumberAttribute()
    version = NumberAttribute(null=True)


class Passes:
    """What is held in place of keys."""

    def __init__(self, rows: type[PassRows], records: type[Records]) -> None:
        self._rows = rows
        self._records = records

    def put(self, made: Pass) -> None:
        """Writes a pass."""
        self._rows(made.pass_hash, body=msgspec.json.encode(made).decode(), ttl=ttl_of(made.expires_at)).save()

    def get(self, pass_hash: str, now: float) -> Pass | None:
        """The pass with this hash, or None when there is none or it had expired at ``now``."""
        row = self._row(pass_hash)
        found = msgspec.json.decode(row.body, type=Pass) if row else None
        # DynamoDB deletes late.
        return found if found and found.expires_at > now else None

    def delete(self, pass_hash: str) -> None:
        """Deletes the pass if it is there."""
        self._rows(pass_hash).delete()

    def put_token(self, token: SessionToken) -> bool:
        """Writes the first or the next version of a session token. False when that is not the next one."""
        rows, ttl, body = self._rows, ttl_of(token.expires_at), msgspec.json.encode(token).decode()
        if token.version == 1:
            # First: a token without its note could not be listed, and nobody would know to revoke it.
            self._records(token.tenant_id, _note(token.session_id, token.token_id), ttl=ttl).save()
        is_new = rows.body.does_not_exist()
        # Of any number of writers of one version the first one's write makes this false for the others.
        is_next = rows.version == token.version - 1
        item = rows(_pk(token.token_id), body=body, ttl=ttl, version=token.version)
        standing = save(item, is_new if token.version == 1 else is_next)
        # Our own put stands in the way of itself when its answer was lost and it was tried again.
        return standing is None or standing.body == body

    def token(self, token_id: str, now: float) -> SessionToken | None:
        """The session token, or None when there is none or it had expired at ``now``."""
        row = self._row(_pk(token_id))
        found = msgspec.json.decode(row.body, type=SessionToken) if row else None
        return found if found and found.expires_at > now else None

    def tokens(self, tenant_id: TenantId, session_id: SessionId, now: float) -> Sequence[SessionToken]:
        """All of a session's tokens that had not expired at ``now``, newest first.

        One request for each, and one to find them.
        """
        prefix = _note(session_id, "")
        place = self._records.sk.startswith(prefix)
        notes = self._records.query(tenant_id, place, scan_index_forward=False, consistent_read=True)
        found = (self.token(note.sk.removeprefix(prefix), now) for note in notes)
        # The note may be there without its token, whose writer died in between: nobody was told that token.
        return [one for one in found if one]

    def _row(self, key: str) -> PassRows | None:
        try:
            return self._rows.get(key, consistent_read=True)
        except self._rows.DoesNotExist:
            return None


def _pk(token_id: str) -> str:
    return f"token#{token_id}"


def _note(session_id: SessionId, token_id: str) -> str:
    return f"stoken#{session_id}#{token_id}"
