"""Runtimes, their tokens, and connect codes that one caller wins."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import ConnectCode, Runtime, RuntimeToken
from chalicelib.core.errors import BadRequest
from chalicelib.core.session_token import Canary
from chalicelib.stores import Tables, open_tables
from chalicelib.wire.frames import AgentReport, LocalSkill
from chalicelib.wire.ids import KeyId, RuntimeId, SessionId, TenantId
from tests.stores.conftest import REGION, at_once

TENANT, OTHER = TenantId("ten_a"), TenantId("ten_b")
NOW = 1_800_000_000.25
RUNTIME = Runtime(
    tenant_id=TENANT,
    runtime_id=RuntimeId("rt_1"),
    owner_key_id=KeyId("key_1"),
    machine_id="m1",
    hostname="ada's laptop ☕",
    os="darwin",
    version="0.1.0",
    created_at=100.5,
    agents=(AgentReport(id="claude-acp", binary="/bin/claude", version="2"),),
    local_skills={"claude-acp": (LocalSkill(id="s", name="S"),)},
)
TOKEN = RuntimeToken(token_hash="ab" * 32, tenant_id=TENANT, runtime_id=RUNTIME.runtime_id, created_at=100.0)
CODE = ConnectCode(
    code_hash="c0" * 32,
    tenant_id=TENANT,
    key_id=KeyId("key_1"),
    state_hash="57" * 32,
    expires_at=NOW + 300,
    code_challenge="challenge",
)


def test_a_runtime_comes_back_and_is_written_over(stores: Stores) -> None:
    stores.runtimes.put(RUNTIME)
    assert stores.runtimes.get(TENANT, RUNTIME.runtime_id) == RUNTIME
    renamed = replace(RUNTIME, hostname="new", agents=(), local_skills={})
    stores.runtimes.put(renamed)
    assert stores.runtimes.get(TENANT, RUNTIME.runtime_id) == renamed


def test_a_foreign_or_unknown_runtime_is_absent(stores: Stores) -> None:
    stores.runtimes.put(RUNTIME)
    assert stores.runtimes.get(OTHER, RUNTIME.runtime_id) is None
    assert stores.runtimes.get(TENANT, RuntimeId("rt_2")) is None
    assert list(stores.runtimes.list(OTHER)) == []


def test_runtimes_are_listed_newest_first(stores: Stores) -> None:
    made = [replace(RUNTIME, runtime_id=RuntimeId(f"rt_{i}"), created_at=at) for i, at in enumerate([5.0, 20.0, 10.0])]
    for one in [*made, replace(RUNTIME, tenant_id=OTHER)]:
        stores.runtimes.put(one)
    stores.runtimes.put_token(TOKEN)
    assert list(stores.runtimes.list(TENANT)) == [made[1], made[2], made[0]]


def test_a_token_is_found_by_its_hash_only(stores: Stores) -> None:
    stores.runtimes.put_token(TOKEN)
    assert stores.runtimes.token(TOKEN.token_hash) == TOKEN
    assert stores.runtimes.token("cd" * 32) is None
    assert stores.tenants.key(TOKEN.token_hash) is None


def test_revoking_marks_all_of_a_runtimes_tokens_and_no_others(stores: Stores) -> None:
    mine = [replace(TOKEN, token_hash=f"{i:064x}") for i in range(3)]
    beside = replace(TOKEN, token_hash="d" * 64, runtime_id=RuntimeId("rt_10"))
    foreign = replace(TOKEN, token_hash="e" * 64, tenant_id=OTHER)
    for one in [*mine, beside, foreign]:
        stores.runtimes.put_token(one)
    stores.runtimes.revoke_tokens(TENANT, RUNTIME.runtime_id, 200.5)
    stores.runtimes.revoke_tokens(TENANT, RUNTIME.runtime_id, 300.5)
    assert [stores.runtimes.token(one.token_hash) for one in mine] == [replace(one, revoked_at=200.5) for one in mine]
    assert stores.runtimes.token(beside.token_hash) == beside
    assert stores.runtimes.token(foreign.token_hash) == foreign


def test_a_token_that_was_used_ended_or_revoked_says_so(stores: Stores) -> None:
    stores.runtimes.put_token(TOKEN)
    assert stores.runtimes.use_token(TOKEN.token_hash, 50.5, 0.0)
    assert not stores.runtimes.use_token(TOKEN.token_hash, 60.0, 50.0)
    assert stores.runtimes.use_token(TOKEN.token_hash, 70.5, 50.5)
    for at in (300.5, 200.5, 250.5):
        stores.runtimes.end_token(TOKEN.token_hash, at)
    for at in (90.5, 80.5):
        stores.runtimes.revoke_token(TOKEN.token_hash, at)
    found = replace(TOKEN, last_used_at=70.5, expires_at=200.5, revoked_at=90.5)
    assert stores.runtimes.token(TOKEN.token_hash) == found
    assert [found.opens(at) for at in (100.0, 300.0)] == [False, False]
    assert [replace(found, revoked_at=None).opens(at) for at in (100.0, 200.5)] == [True, False]


def test_a_runtimes_tokens_are_listed_newest_first_and_no_others(stores: Stores) -> None:
    mine = [replace(TOKEN, token_hash=f"{i:064x}", created_at=float(i), token_id=f"rtk_{i}") for i in (2, 3, 1)]
    others = [
        replace(TOKEN, token_hash="d" * 64, runtime_id=RuntimeId("rt_10")),
        replace(TOKEN, token_hash="e" * 64, tenant_id=OTHER),
    ]
    for one in [*mine, *others]:
        stores.runtimes.put_token(one)
    assert list(stores.runtimes.tokens(TENANT, RUNTIME.runtime_id)) == [mine[1], mine[0], mine[2]]


def test_a_deleted_runtime_is_absent_and_its_tokens_stay(stores: Stores) -> None:
    stores.runtimes.put(RUNTIME)
    stores.runtimes.put_token(TOKEN)
    stores.runtimes.delete(OTHER, RUNTIME.runtime_id)
    assert stores.runtimes.get(TENANT, RUNTIME.runtime_id) == RUNTIME
    for _ in range(2):
        stores.runtimes.delete(TENANT, RUNTIME.runtime_id)
    assert stores.runtimes.get(TENANT, RUNTIME.runtime_id) is None
    assert stores.runtimes.token(TOKEN.token_hash) == TOKEN


def test_what_is_not_there_is_not_changed(stores: Stores) -> None:
    assert not stores.runtimes.use_token(TOKEN.token_hash, 1.0, 0.0)
    stores.runtimes.end_token(TOKEN.token_hash, 1.0)
    stores.runtimes.revoke_token(TOKEN.token_hash, 1.0)
    assert stores.runtimes.token(TOKEN.token_hash) is None


def test_revoking_where_there_is_nothing_makes_nothing(stores: Stores) -> None:
    stores.runtimes.revoke_tokens(TENANT, RUNTIME.runtime_id, 200.5)
    assert stores.runtimes.token(TOKEN.token_hash) is None


def test_a_token_whose_writer_died_after_the_note_does_not_appear_when_revoked(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("chalicelib.stores.table.Secrets.save", _die)
        with pytest.raises(ConnectionError):
            tables.runtimes.put_token(TOKEN)
    tables.runtimes.revoke_tokens(TENANT, RUNTIME.runtime_id, 200.5)
    assert tables.runtimes.token(TOKEN.token_hash) is None


def test_a_code_is_spent_once_and_read_by_it(stores: Stores) -> None:
    stores.runtimes.put_code(CODE)
    spent = stores.runtimes.spend_code(CODE.code_hash, CODE.state_hash, "challenge", NOW)
    assert spent == replace(CODE, used_at=NOW)
    for at in (NOW, CODE.expires_at + 1):
        with pytest.raises(BadRequest, match="^code_used: "):
            stores.runtimes.spend_code(CODE.code_hash, CODE.state_hash, "challenge", at)


def test_a_code_without_a_challenge_asks_for_no_verifier(stores: Stores) -> None:
    plain = replace(CODE, code_challenge=None)
    stores.runtimes.put_code(plain)
    stores.runtimes.put_code(replace(plain, code_hash="c1" * 32))
    assert stores.runtimes.spend_code("c0" * 32, CODE.state_hash, None, NOW).used_at == NOW
    assert stores.runtimes.spend_code("c1" * 32, CODE.state_hash, "something", NOW).used_at == NOW


@pytest.mark.parametrize(
    ("code_hash", "state_hash", "code_challenge"),
    [
        ("00" * 32, CODE.state_hash, "challenge"),
        (CODE.code_hash, "00" * 32, "challenge"),
        (CODE.code_hash, "", "challenge"),
        (CODE.code_hash, CODE.state_hash, "another"),
        (CODE.code_hash, CODE.state_hash, ""),
        (CODE.code_hash, CODE.state_hash, None),
    ],
)
def test_a_wrong_code_state_or_verifier_is_invalid_and_does_not_use_the_code_up(
    stores: Stores, code_hash: str, state_hash: str, code_challenge: str | None
) -> None:
    stores.runtimes.put_code(CODE)
    with pytest.raises(BadRequest, match="^code_invalid: "):
        stores.runtimes.spend_code(code_hash, state_hash, code_challenge, NOW)
    assert stores.runtimes.spend_code(CODE.code_hash, CODE.state_hash, "challenge", NOW).used_at == NOW


def test_a_stranger_learns_nothing_of_a_used_or_expired_code(stores: Stores) -> None:
    stores.runtimes.put_code(CODE)
    stores.runtimes.spend_code(CODE.code_hash, CODE.state_hash, "challenge", NOW)
    for at in (NOW, CODE.expires_at + 1):
        with pytest.raises(BadRequest, match="^code_invalid: "):
            stores.runtimes.spend_code(CODE.code_hash, "00" * 32, "challenge", at)


def test_a_code_is_expired_from_its_expiry_on_though_nobody_deleted_it(stores: Stores) -> None:
    stores.runtimes.put_code(CODE)
    for at in (CODE.expires_at, CODE.expires_at + 1):
        with pytest.raises(BadRequest, match="^code_expired: "):
            stores.runtimes.spend_code(CODE.code_hash, CODE.state_hash, "challenge", at)
    at = CODE.expires_at - 0.25
    assert stores.runtimes.spend_code(CODE.code_hash, CODE.state_hash, "challenge", at).used_at == at


def test_a_code_that_is_written_again_stays_used_up(stores: Stores) -> None:
    """Catches a code that is good once more each time somebody asks for it."""
    stores.runtimes.put_code(CODE)
    stores.runtimes.spend_code(CODE.code_hash, CODE.state_hash, "challenge", NOW)
    stores.runtimes.put_code(CODE)
    with pytest.raises(BadRequest, match="code_used"):
        stores.runtimes.spend_code(CODE.code_hash, CODE.state_hash, "challenge", NOW)


def test_of_20_exchanges_of_one_code_one_wins(tables: Tables) -> None:
    tables.runtimes.put_code(CODE)

    def spend(_: int) -> ConnectCode:
        return tables.runtimes.spend_code(CODE.code_hash, CODE.state_hash, "challenge", NOW)

    answers = at_once(20, spend)
    assert [one for one in answers if isinstance(one, ConnectCode)] == [replace(CODE, used_at=NOW)]
    assert [one.code for one in answers if isinstance(one, BadRequest)] == ["code_used"] * 19


def test_an_error_of_dynamodbs_own_flies_through(tables: Tables) -> None:
    nowhere = open_tables("nowhere", region=REGION)
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        nowhere.runtimes.spend_code(CODE.code_hash, CODE.state_hash, "challenge", NOW)


def _die(_: object) -> None:
    raise ConnectionError


def test_a_laptops_newest_canary_is_replaced_by_who_has_read_it(stores: Stores) -> None:
    """Catches two open canaries of one laptop: of those who ask at once one is told yes."""
    rid = RUNTIME.runtime_id
    first = Canary(runtime_id=rid, tenant_id=TENANT, session_id=SessionId("sesn_1"), at=NOW)
    second, third = replace(first, session_id=SessionId("sesn_2")), replace(first, session_id=SessionId("sesn_3"))
    assert stores.runtimes.canary(TENANT, rid) is None
    assert stores.runtimes.put_canary(first, None)
    assert stores.runtimes.put_canary(first, None), "it was tried again, and is there"
    assert not stores.runtimes.put_canary(second, None)
    assert stores.runtimes.put_canary(second, first)
    assert not stores.runtimes.put_canary(third, first)
    assert stores.runtimes.canary(TENANT, rid) == second
    assert stores.runtimes.canary(OTHER, rid) is None
