"""The tables: their keys, and how a model becomes one table of one plane.

===========  ==============================  ===========================  =============================================
table        hash key                        range key                    what; who writes
===========  ==============================  ===========================  =============================================
objects      ``session:<tenant>/<session>``  ``n`` (number)               a record; the loop. Local index ``by_cause``
             or ``room:<runtime>``                                        (``cause``), of records that have one
             or ``request:<tenant>/<hash>``
bodies       ``<tenant>/<session>``          ``<sha256>#head``,           an event too large for its record; the loop,
                                             ``<sha256>#<part>``          uploads
live         ``<tenant>/<turn>``             ``<epoch>.<counter>``        a delta of a running turn; frames. Expires
work         ``<runtime>``                   ``<session>``                a work item; the loop, the sweep. Global
                                                                          index ``by_due`` (``shard``, ``due``)
connections  ``<connection>``                --                           an open WebSocket; its handlers. Expires
attachments  ``<session>``                   ``<reader>``                 who follows; viewers, readers. Expires.
                                                                          Global index ``by_connection``
records      ``<tenant>``                    ``tenant``                   the tenant itself; setting up
                                             ``runtime#<runtime>``        a runtime; enrolment, hello
                                             ``token#<runtime>#<hash>``   which tokens a runtime has; enrolment
                                             ``agent#<agent>``            an agent's newest version; the API
                                             ``agentv#<agent>#<number>``  an older one of its versions; the API
                                             ``environment#<id>``         an environment; the API
                                             ``session#<session>``        a session's row; the API, the loop
                                             ``sessions``                 how many sessions are open; the API, the loop
                                             ``file#<file>``              a file; the API. Its bytes are in the bucket,
                                                                          under ``<tenant>/<file>``
                                             ``files``                    how many bytes all files have; the API
                                             ``user#<user>``              a person; the API
                                             ``key#<key>``                a key, and which secrets it has; the API
                                             ``open#<holder>#<id>``       which WebSockets a runtime, a key or a session
                                                                          token has open; ``$connect``. Expires
                                             ``stoken#<session>#<id>``    which tokens a session has; the API. Expires
                                             ``canary#<runtime>``         a laptop's newest canary; the laptop
secrets      ``key#<hash>``,                 --                           an API key, a runtime's token; setting up,
             ``token#<hash>``                                             enrolment, the API, revoking
codes        ``<hash>``                      --                           a connect code; the API, enrolment. Expires
passes       ``<hash>``,                     --                           a browser's cookie or ticket, a session token
             ``token#<id>``                                               by its id; the API. Expires
devices      ``code#<hash>``,                --                           a machine without a browser that waits for a
             ``guesses#<tenant>``                                         person; how often a tenant's people named one
                                                                          that there is not. The API. Expires
===========  ==============================  ===========================  =============================================

Values are the msgspec JSON of the catalog's Struct in one attribute, ``body``; beside it stand only the attributes that
a key, a condition, an index or the expiry needs. Those that change after the row was written (a row's status, a
secret's ``revoked_at``) are put over the body's when it is read. A work item is nothing but such attributes and has no
body. A tenant's row also names its owners and counts its people: it changes together with theirs, in one transaction.

The tenant is the hash key, or its first part, wherever a stranger's id is looked up: a foreign id is not found.
Expiring rows carry ``ttl`` (whole epoch seconds, rounded up) for DynamoDB, which deletes late by hours or days; so
reads filter on the exact ``expires_at``.

Lists newest first need no index: ids of sessions and agents begin with the time of their making, so that their keys
sort by it. Both ``get`` by id and a page of the list are one request.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeVar, cast

from botocore.exceptions import ClientError
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.connection import Connection
from pynamodb.connection._botocore_private import BotocoreBaseClientPrivate
from pynamodb.exceptions import DeleteError, PutError, TransactWriteError, UpdateError, VerboseClientError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model
from pynamodb.pagination import ResultIterator
from pynamodb.transactions import TransactWrite

CONNECT_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 5.0
MAX_RETRIES: Final = 2
"""DynamoDB answers in milliseconds; what takes seconds is lost and tried again. Three tries of at most 2 s + 5 s with
botocore's waits between them (at most 1 s + 2 s) end after 24 s: inside API Gateway's 29 s, so that a caller gets an
answer, not a cut line. A try whose answer was lost may have been applied: conditional writes allow for that."""

POOL_CONNECTIONS: Final = 32
"""The local gateway runs many handlers in one process; a Lambda runs one."""

_REFUSED = "ConditionalCheckFailedException"

M = TypeVar("M", bound="Table")


class Table(Model):
    """A table's shape, before it is bound to a plane. ``suffix`` ends its name."""

    suffix: ClassVar[str]


class Records(Table):
    """Plain records of a tenant's: tenants, people, keys, runtimes, agents, sessions' rows."""

    suffix = "records"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute(null=True)
    version = NumberAttribute(null=True)
    status = UnicodeAttribute(null=True)
    summary_n = NumberAttribute(null=True)
    updated_at = NumberAttribute(null=True)
    archived_at = NumberAttribute(null=True)
    details = UnicodeAttribute(null=True)
    details_n = NumberAttribute(null=True)
    active_s = NumberAttribute(null=True)
    running_since = NumberAttribute(null=True)
    n_open = NumberAttribute(null=True)
    counted_at = NumberAttribute(null=True)
    last_used_at = NumberAttribute(null=True)
    owners = UnicodeSetAttribute(null=True)
    n_users = NumberAttribute(null=True)
    ttl = NumberAttribute(null=True)
    n_bytes = NumberAttribute(null=True)


class Secrets(Table):
    """What is kept of API keys and runtime tokens, by the hash of the secret."""

    suffix = "secrets"

    pk = UnicodeAttribute(hash_key=True)
    body = UnicodeAttribute()
    revoked_at = NumberAttribute(null=True)
    expires_at = NumberAttribute(null=True)
    last_used_at = NumberAttribute(null=True)
    role = UnicodeAttribute(null=True)
    role_version = NumberAttribute(null=True)


class Database:
    """One plane's tables. Makes no client before the first request; all tables share one.

    Args:
        prefix: what the tables' names begin with.
        host: DynamoDB's URL; None leaves it to botocore (which knows ``AWS_ENDPOINT_URL``).
        region: AWS region; None leaves it to botocore.
    """

    def __init__(self, prefix: str, host: str | None = None, region: str | None = None) -> None:
        self._prefix = prefix
        self._connection = _OneClient(
            host=host,
            region=region,
            connect_timeout_seconds=CONNECT_TIMEOUT_S,
            read_timeout_seconds=READ_TIMEOUT_S,
            max_retry_attempts=MAX_RETRIES,
            max_pool_connections=POOL_CONNECTIONS,
        )

    def bind(self, table: type[M]) -> type[M]:
        """The table of this plane: PynamoDB ties a model class to one table, so each plane gets classes of its own."""
        meta = type("Meta", (), {"table_name": f"{self._prefix}-{table.suffix}", "billing_mode": "PAY_PER_REQUEST"})
        make: Any = type(table)  # The metaclass; mypy takes it for the class of all classes.
        bound = cast("type[M]", make(table.__name__, (table,), {"Meta": meta, "__module__": table.__module__}))
        # PynamoDB would make a client per table, each of which reads botocore's models again: a slow cold start.
        own = bound._get_connection()
        self._connection.add_meta_table(own.get_meta_table())
        own.connection = self._connection
        return bound


class _OneClient(Connection):
    """Makes its client once, also when the first requests come from many threads at the same moment."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._making = threading.Lock()

    @property
    def client(self) -> BotocoreBaseClientPrivate:
        with self._making:
            return super().client


def ttl_of(expires_at: float) -> int:
    """What DynamoDB's expiry reads: whole epoch seconds, never before the exact time."""
    return math.ceil(expires_at)


def written(write: Callable[[], object]) -> bool:
    """Does a conditional write. False when its condition was not met; anything else that goes wrong flies through."""
    try:
        write()
    except (PutError, UpdateError, DeleteError) as exc:
        if exc.cause_response_code != _REFUSED:
            raise
        return False
    return True


def page(table: type[M], found: ResultIterator[M]) -> list[M]:
    """The first page of a query: at most its limit, and at most 1 MB. One request."""
    return [table.from_raw_data(item) for item in next(found.page_iter)["Items"]]


def save(item: M, condition: Condition) -> M | None:
    """Puts an item if the condition holds.

    Returns:
        None when it was put; otherwise the item that stands in its way, read by the same request.
    """
    wish = item.get_save_kwargs_from_instance(condition, return_values_on_condition_failure="ALL_OLD")
    done, found = _ask(item, "PutItem", wish)
    return None if done else found


def update(item: M, actions: list[Action], condition: Condition) -> tuple[bool, M | None]:
    """Updates an item if the condition holds.

    Returns:
        True and the item as it is now; or False and the item as it stands, None when there is none. Either is read by
        the request that writes.
    """
    wish = item.get_update_kwargs_from_instance(actions, condition, return_values_on_condition_failure="ALL_OLD")
    return _ask(item, "UpdateItem", {**wish, "ReturnValues": "ALL_NEW"})


def together(table: type[Table], put: Callable[[TransactWrite], object]) -> tuple[str | None, ...] | None:
    """Does all the writes that ``put`` puts into a transaction, or none. botocore's own retry does none of them twice.

    Returns:
        None when they were done; otherwise for each write why it was not, in DynamoDB's words, or None.
    """
    transaction = TransactWrite(connection=table._get_connection().connection)
    try:
        with transaction:
            put(transaction)
    except TransactWriteError as exc:
        if exc.cause_response_code != "TransactionCanceledException":
            raise
        return tuple(one.code if one else None for one in exc.cancellation_reasons)
    return None


def remove(item: M) -> M | None:
    """Deletes an item. Returns what it was, read by the same request; None when there was none."""
    wish = {**item.get_delete_kwargs_from_instance(), "ReturnValues": "ALL_OLD"}
    return _ask(item, "DeleteItem", wish)[1]


def _ask(item: M, operation: str, wish: dict[str, Any]) -> tuple[bool, M | None]:
    table = type(item)
    try:
        raw = table._get_connection().connection.dispatch(operation, wish).get("Attributes")
        done = True
    except VerboseClientError as exc:
        # PynamoDB keeps of the answer only its code; the item stands in botocore's error, of which it made its own.
        if exc.response["Error"]["Code"] != _REFUSED:
            raise
        raw = cast("dict[str, Any]", cast(ClientError, exc.__cause__).response).get("Item")
        done = False
    return done, table.from_raw_data(raw) if raw else None
