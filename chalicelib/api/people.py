"""People: who asks, the tenant, who belongs to it, and their keys."""

from __future__ import annotations

from chalice import Blueprint

from ..core.access import KeyPrincipal
from ..wiring import plane
from .answers.pages import Page
from .answers.people import (
    KeyAnswer,
    KeyRevoked,
    KeyWithSecret,
    MeAnswer,
    TenantAnswer,
    UserAnswer,
    UserRemoved,
    key_answer,
    me_answer,
    minted_answer,
    tenant_answer,
    user_answer,
)
from .requests.fields import ListQuery
from .requests.people import ChangeTenant, ChangeUser, CreateKey, CreateUser, KeysQuery, RotateKey
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("GET", "/v1/me", may="read")
def get_me(asking: KeyPrincipal) -> MeAnswer:
    """Who asks, and what they may do."""
    return me_answer(asking, plane().people.tenant(asking.tenant_id), plane().people.person(asking))


@surface.route("GET", "/v1/tenant", may="read")
def get_tenant(asking: KeyPrincipal) -> TenantAnswer:
    """The tenant, and its limits."""
    return tenant_answer(plane().people.tenant(asking.tenant_id))


@surface.route("POST", "/v1/tenant", may="admin")
def change_tenant(asking: KeyPrincipal, body: ChangeTenant) -> TenantAnswer:
    """Changes the tenant's name; an owner also its limits."""
    return tenant_answer(plane().people.change_tenant(asking, body.name or None, body.new_limits()))


@surface.route("GET", "/v1/users", may="read")
def list_users(asking: KeyPrincipal, query: ListQuery) -> Page[UserAnswer]:
    """A page of people, newest first; archived ones are those who were removed."""
    found, next_page = plane().people.list(asking.tenant_id, query.include_archived, query.page, query.limit)
    return Page(data=tuple(map(user_answer, found)), next_page=next_page)


@surface.route("POST", "/v1/users", may="admin")
def create_user(asking: KeyPrincipal, body: CreateUser) -> UserAnswer:
    """Makes a person; only an owner makes owners."""
    return user_answer(plane().people.create(asking, body.name, body.email or None, body.role))


@surface.route("GET", "/v1/users/{user_id}", may="read")
def get_user(asking: KeyPrincipal, user_id: str) -> UserAnswer:
    """One person."""
    return user_answer(plane().people.get(asking.tenant_id, user_id))


@surface.route("POST", "/v1/users/{user_id}", may="admin")
def change_user(asking: KeyPrincipal, user_id: str, body: ChangeUser) -> UserAnswer:
    """Changes a person's name, email or role; only an owner changes owners."""
    return user_answer(plane().people.change(asking, user_id, **body.changes()))


@surface.route("DELETE", "/v1/users/{user_id}", may="admin")
def remove_user(asking: KeyPrincipal, user_id: str) -> UserRemoved:
    """Removes a person and revokes their keys; never the last owner."""
    return UserRemoved(id=plane().people.remove(asking, user_id).user_id)


@surface.route("GET", "/v1/api_keys", may="read")
def list_keys(asking: KeyPrincipal, query: KeysQuery) -> Page[KeyAnswer]:
    """A page of keys, newest first: the tenant's for who has the right admin, otherwise one's own."""
    found, next_page = plane().keys.list(asking, query.user_id, query.include_archived, query.page, query.limit)
    return Page(data=tuple(map(key_answer, found)), next_page=next_page)


@surface.route("POST", "/v1/api_keys", may="read")
def create_key(asking: KeyPrincipal, body: CreateKey) -> KeyWithSecret:
    """Makes a key, never a wider one than the key that asks; its secret is shown once."""
    return minted_answer(plane().keys.create(asking, body.wanted()))


@surface.route("GET", "/v1/api_keys/{key_id}", may="read")
def get_key(asking: KeyPrincipal, key_id: str) -> KeyAnswer:
    """One key."""
    return key_answer(plane().keys.get(asking, key_id))


@surface.route("POST", "/v1/api_keys/{key_id}/rotate", may="read")
def rotate_key(asking: KeyPrincipal, key_id: str, body: RotateKey) -> KeyWithSecret:
    """Gives a key another secret, shown once; the one before it opens for a while longer."""
    return minted_answer(plane().keys.rotate(asking, key_id, body.grace_s))


@surface.route("DELETE", "/v1/api_keys/{key_id}", may="read")
def revoke_key(asking: KeyPrincipal, key_id: str) -> KeyRevoked:
    """Ends a key at once, and closes what it opened."""
    return KeyRevoked(id=plane().keys.revoke(asking, key_id).key_id)
