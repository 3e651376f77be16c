"""The operator's verbs for tenants, people and keys: `python -m infra.admin tenant|user|key …`.

They are done by the plane's own actors, by the same rules as over the API, as an owner of the tenant would do them. So
they need what the plane needs: its environment, and leave to use its tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast, get_args

import msgspec

from chalicelib.actors.api_keys import Minted
from chalicelib.api.answers.people import (
    KeyAnswer,
    KeyWithSecret,
    TenantAnswer,
    UserAnswer,
    key_answer,
    minted_answer,
    tenant_answer,
    user_answer,
)
from chalicelib.api.requests.people import ChangeTenant, CreateKey, CreateUser, RotateKey
from chalicelib.core.access import EVERYTHING, KeyPrincipal, Role
from chalicelib.core.errors import NotFound
from chalicelib.core.parsing import refused
from chalicelib.wire.ids import KeyId, TenantId
from chalicelib.wiring import Plane

PAGE = 100

S = TypeVar("S", bound=msgspec.Struct)


class Told(NamedTuple):
    """What a verb has to tell: for programs, and for people."""

    report: dict[str, Any]
    lines: Sequence[str]


Verb = Callable[[Plane, argparse.Namespace], Told]


def add_verbs(commands: Any) -> None:
    """Add `tenant`, `user` and `key` to a parser's commands. Each verb is in the options as `verb`."""
    tenant = _group(commands, "tenant", "tenants and their limits")
    one = _verb(tenant, "create", _create_tenant, "make a tenant, its first owner and a key of theirs")
    one.add_argument("name", metavar="NAME")
    one.add_argument("--owner", metavar="NAME", default="owner", help="what the owner is called; by default 'owner'")
    one.add_argument("--email", metavar="E", help="the owner's")
    _verb(tenant, "list", _list_tenants, "list all tenants")
    _of_tenant(_verb(tenant, "show", _show_tenant, "show a tenant and its limits"))
    one = _of_tenant(_verb(tenant, "set", _set_tenant, "change a tenant's name or limits"))
    one.add_argument("--name", metavar="NAME")
    one.add_argument("--limit", metavar="NAME=N", action="append", default=[], help="N may be 'default'; repeatable")

    user = _group(commands, "user", "the people of a tenant")
    one = _of_tenant(_verb(user, "create", _create_user, "make a person"))
    one.add_argument("name", metavar="NAME")
    one.add_argument("--email", metavar="E")
    one.add_argument("--role", choices=get_args(Role), default="member")
    one = _of_tenant(_verb(user, "list", _list_users, "list people"))
    one.add_argument("--all", action="store_true", help="those who were removed too")
    one = _of_tenant(_verb(user, "set-role", _set_role, "change a person's role, and that of their keys"))
    one.add_argument("user_id", metavar="USER_ID")
    one.add_argument("role", choices=get_args(Role))
    one = _of_tenant(_verb(user, "remove", _remove_user, "remove a person and revoke their keys"))
    one.add_argument("user_id", metavar="USER_ID")

    key = _group(commands, "key", "API keys")
    one = _of_tenant(_verb(key, "create", _create_key, "make a key for a person; its secret is printed once"))
    one.add_argument("user_id", metavar="USER_ID")
    one.add_argument("--name", metavar="NAME", default="by the operator")
    one.add_argument("--scopes", metavar="A,B", help="by default all that the person can have")
    one.add_argument("--expires-in", metavar="S", help="seconds; by default it does not")
    one = _of_tenant(_verb(key, "list", _list_keys, "list keys"))
    one.add_argument("--user", metavar="USER_ID", help="those of one person")
    one.add_argument("--all", action="store_true", help="those that are revoked or have expired too")
    one = _of_tenant(_verb(key, "rotate", _rotate_key, "give a key another secret, which is printed once"))
    one.add_argument("key_id", metavar="KEY_ID")
    one.add_argument("--grace-s", metavar="S", help="how long the old one works (seconds); by default a day")
    one = _of_tenant(_verb(key, "revoke", _revoke_key, "end a key, and close what it opened"))
    one.add_argument("key_id", metavar="KEY_ID")


# ---- tenants


def _create_tenant(plane: Plane, options: argparse.Namespace) -> Told:
    wanted = _asked(CreateUser, name=options.owner, email=options.email, role="owner")
    tenant = plane.people.found(str(_asked(ChangeTenant, name=options.name).name))
    owner = plane.people.join(tenant.tenant_id, wanted.name, wanted.email, wanted.role)
    minted = plane.keys.mint(owner, "admin", EVERYTHING)
    shown, user, key = tenant_answer(tenant), user_answer(owner), minted_answer(minted)
    lines = [_of_a_tenant(shown), _of_a_user(user), *_of_a_secret(key)]
    return Told({"tenant": _plain(shown), "user": _plain(user), "api_key": _plain(key)}, lines)


def _list_tenants(plane: Plane, _options: argparse.Namespace) -> Told:
    found = [tenant_answer(one) for one in plane.people.tenants()]
    return Told({"tenants": list(map(_plain, found))}, list(map(_of_a_tenant, found)))


def _show_tenant(plane: Plane, options: argparse.Namespace) -> Told:
    return _tenant_told(tenant_answer(plane.people.tenant(_operator(plane, options).tenant_id)))


def _set_tenant(plane: Plane, options: argparse.Namespace) -> Told:
    pairs = [one.partition("=") for one in options.limit]
    limits = {name: None if value == "default" else value for name, _, value in pairs}
    wanted = _asked(ChangeTenant, name=options.name, limits=limits or None)
    asking = _operator(plane, options)
    return _tenant_told(tenant_answer(plane.people.change_tenant(asking, wanted.name or None, wanted.new_limits())))


# ---- people


def _create_user(plane: Plane, options: argparse.Namespace) -> Told:
    wanted = _asked(CreateUser, name=options.name, email=options.email, role=options.role)
    user = plane.people.create(_operator(plane, options), wanted.name, wanted.email, wanted.role)
    return _user_told(user_answer(user))


def _list_users(plane: Plane, options: argparse.Namespace) -> Told:
    tenant_id = _operator(plane, options).tenant_id
    found = [user_answer(one) for one in _pages(lambda at: plane.people.list(tenant_id, options.all, at, PAGE))]
    return Told({"users": list(map(_plain, found))}, list(map(_of_a_user, found)))


def _set_role(plane: Plane, options: argparse.Namespace) -> Told:
    asking = _operator(plane, options)
    return _user_told(user_answer(plane.people.change(asking, options.user_id, role=options.role)))


def _remove_user(plane: Plane, options: argparse.Namespace) -> Told:
    return _user_told(user_answer(plane.people.remove(_operator(plane, options), options.user_id)))


# ---- keys


def _create_key(plane: Plane, options: argparse.Namespace) -> Told:
    scopes = options.scopes.split(",") if options.scopes is not None else None
    given = {"name": options.name, "user_id": options.user_id, "scopes": scopes, "expires_in": options.expires_in}
    return _secret_told(plane.keys.create(_operator(plane, options), _asked(CreateKey, **given).wanted()))


def _list_keys(plane: Plane, options: argparse.Namespace) -> Told:
    asking = _operator(plane, options)
    notes = _pages(lambda at: plane.keys.list(asking, options.user, options.all, at, PAGE))
    found = [key_answer(one) for one in notes]
    return Told({"api_keys": list(map(_plain, found))}, list(map(_of_a_key, found)))


def _rotate_key(plane: Plane, options: argparse.Namespace) -> Told:
    grace_s = _asked(RotateKey, grace_s=options.grace_s).grace_s
    return _secret_told(plane.keys.rotate(_operator(plane, options), options.key_id, grace_s))


def _revoke_key(plane: Plane, options: argparse.Namespace) -> Told:
    shown = key_answer(plane.keys.revoke(_operator(plane, options), options.key_id))
    return Told({"api_key": _plain(shown)}, [_of_a_key(shown)])


# ---- who asks, and how it is told


def _operator(plane: Plane, options: argparse.Namespace) -> KeyPrincipal:
    """An owner of the tenant that is meant: of the only one, if none is named."""
    tenant_id = options.tenant
    if tenant_id is None:
        tenants = plane.people.tenants()
        if len(tenants) != 1:
            raise NotFound("tenant_unclear", f"The plane has {len(tenants)} tenants: say which one with --tenant.")
        tenant_id = tenants[0].tenant_id
    return KeyPrincipal(plane.people.tenant(TenantId(tenant_id)).tenant_id, KeyId("key_of_the_operator"))


def _pages(read: Callable[[str | None], tuple[Sequence[Any], str | None]]) -> list[Any]:
    found, place = read(None)
    every = list(found)
    while place is not None:
        found, place = read(place)
        every += found
    return every


def _tenant_told(tenant: TenantAnswer) -> Told:
    limits = [f"  {name} = {value}" for name, value in tenant.limits.items()]
    return Told({"tenant": _plain(tenant)}, [_of_a_tenant(tenant), *limits])


def _secret_told(minted: Minted) -> Told:
    shown = minted_answer(minted)
    return Told({"api_key": _plain(shown)}, _of_a_secret(shown))


def _user_told(user: UserAnswer) -> Told:
    return Told({"user": _plain(user)}, [_of_a_user(user)])


def _of_a_tenant(tenant: TenantAnswer) -> str:
    return f"tenant {tenant.id}  {tenant.name}"


def _of_a_user(user: UserAnswer) -> str:
    said = f"user {user.id}  {user.role}  {user.name}"
    return said + (f" <{user.email}>" if user.email else "") + ("  removed" if user.removed_at is not None else "")


def _of_a_key(key: KeyAnswer) -> str:
    said = f"key {key.id}  {key.user_id or 'nobody'}  {','.join(key.scopes)}  {key.name}"
    said += f"  expires at {key.expires_at}" if key.expires_at is not None else ""
    return said + (f"  revoked at {key.revoked_at}" if key.revoked_at is not None else "")


def _of_a_secret(key: KeyWithSecret) -> list[str]:
    return [_of_a_key(key), f"secret {key.secret}  (keep it: it is not shown again)"]


def _plain(answer: msgspec.Struct) -> Any:
    return msgspec.to_builtins(answer)


# ---- how it is asked


def _group(commands: Any, name: str, about: str) -> Any:
    return commands.add_parser(name, help=about).add_subparsers(dest="verb_name", metavar="VERB", required=True)


def _verb(group: Any, name: str, verb: Verb, about: str) -> argparse.ArgumentParser:
    parser = cast("argparse.ArgumentParser", group.add_parser(name, help=about))
    parser.set_defaults(verb=verb)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _of_tenant(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--tenant", metavar="T", help="may be left out when the plane has one tenant")
    return parser


def _asked(wanted: type[S], **given: Any) -> S:
    """What is asked for, held to what the API takes. Raises BadRequest."""
    said = {name: value for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(said, wanted, strict=False)
    except msgspec.ValidationError as exc:
        raise refused(exc) from exc
