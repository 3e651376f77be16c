"""Machines that wait for a person: one verdict, one answer in a while, and no more guesses than there may be."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.devices import DeviceRequest, DeviceVerdict
from chalicelib.stores import Tables
from chalicelib.wire.ids import KeyId, TenantId
from tests.stores.conftest import at_once

TENANT, OTHER = TenantId("ten_a"), TenantId("ten_b")
NOW = 1_800_000_000.25
REQUEST = DeviceRequest(
    user_code_hash="ab" * 32,
    device_hash="cd" * 32,
    state_hash="57" * 32,
    code_challenge="challenge",
    hostname="ada's laptop ☕",
    os="linux",
    expires_at=NOW + 600,
)
VERDICT = DeviceVerdict(decision="approved", tenant_id=TENANT, key_id=KeyId("key_1"), owner_id="user_1", at=NOW + 1)


def test_a_request_is_found_by_its_user_code_until_it_expires(stores: Stores) -> None:
    assert stores.devices.put(REQUEST, NOW)
    assert stores.devices.get(REQUEST.user_code_hash, NOW) == REQUEST
    assert stores.devices.get(REQUEST.user_code_hash, REQUEST.expires_at) is None
    assert stores.devices.get(REQUEST.device_hash, NOW) is None


def test_a_user_code_is_given_out_again_only_after_it_has_expired(stores: Stores) -> None:
    """Catches two machines with one code, of which a person sees one and approves the other."""
    another = replace(REQUEST, device_hash="ef" * 32, expires_at=NOW + 1200)
    assert stores.devices.put(REQUEST, NOW)
    assert not stores.devices.put(another, REQUEST.expires_at - 1)
    assert stores.devices.put(another, REQUEST.expires_at)
    assert stores.devices.get(REQUEST.user_code_hash, NOW) == another
    assert not stores.devices.decide(REQUEST, VERDICT), "the machine that was shown is another one's"
    assert stores.devices.decide(another, VERDICT)


def test_a_machine_is_answered_once_in_a_while(stores: Stores) -> None:
    stores.devices.put(REQUEST, NOW)
    codes = REQUEST.user_code_hash, REQUEST.device_hash
    assert stores.devices.poll(*codes, NOW, NOW - 4) == (True, replace(REQUEST, polled_at=NOW))
    assert stores.devices.poll(*codes, NOW + 3, NOW - 1) == (False, replace(REQUEST, polled_at=NOW))
    assert stores.devices.poll(*codes, NOW + 5, NOW + 1) == (True, replace(REQUEST, polled_at=NOW + 5))
    assert stores.devices.poll(*codes, REQUEST.expires_at, NOW + 9) == (False, None)


def test_the_user_code_alone_learns_nothing(stores: Stores) -> None:
    stores.devices.put(REQUEST, NOW)
    assert stores.devices.poll(REQUEST.user_code_hash, "ef" * 32, NOW, NOW - 4) == (False, None)
    assert stores.devices.poll("ef" * 32, REQUEST.device_hash, NOW, NOW - 4) == (False, None)
    assert stores.devices.get(REQUEST.user_code_hash, NOW) == REQUEST


def test_of_20_verdicts_one_counts(stores: Stores) -> None:
    stores.devices.put(REQUEST, NOW)
    verdicts = [replace(VERDICT, owner_id=f"user_{n}") for n in range(20)]
    said = at_once(20, lambda n: stores.devices.decide(REQUEST, verdicts[n]))
    assert said.count(True) == 1
    found = stores.devices.get(REQUEST.user_code_hash, NOW)
    assert found == replace(REQUEST, verdict=verdicts[said.index(True)])


def test_a_verdict_on_what_has_expired_or_never_was_does_not_count(stores: Stores) -> None:
    assert not stores.devices.decide(REQUEST, VERDICT)
    stores.devices.put(REQUEST, NOW)
    assert not stores.devices.decide(REQUEST, replace(VERDICT, at=REQUEST.expires_at))
    assert stores.devices.get(REQUEST.user_code_hash, NOW) == REQUEST


def test_of_20_guesses_as_many_count_as_may(stores: Stores) -> None:
    """Catches a bound that holds only for who guesses slowly."""
    until = NOW + 600
    taken = at_once(20, lambda _: stores.devices.take_guess(TENANT, 5, NOW, until))
    assert taken.count(True) == 5
    assert stores.devices.take_guess(OTHER, 5, NOW, until)
    assert not stores.devices.take_guess(TENANT, 5, until - 1, until + 600)
    assert stores.devices.take_guess(TENANT, 5, until, until + 600)


def test_a_guess_that_was_right_is_given_back(stores: Stores) -> None:
    until = NOW + 600
    stores.devices.give_back(TENANT, NOW)
    for _ in range(3):
        assert stores.devices.take_guess(TENANT, 1, NOW, until)
        assert not stores.devices.take_guess(TENANT, 1, NOW, until)
        stores.devices.give_back(TENANT, NOW)
    for _ in range(2):
        stores.devices.give_back(TENANT, NOW)
    assert stores.devices.take_guess(TENANT, 1, NOW, until)
    stores.devices.give_back(TENANT, until)
    assert not stores.devices.take_guess(TENANT, 1, NOW, until), "its time was over"


def test_what_waits_and_what_was_guessed_expires(tables: Tables) -> None:
    tables.devices.put(REQUEST, NOW)
    tables.devices.take_guess(TENANT, 5, NOW, NOW + 600)
    (devices,) = (one for one in tables.models if str(one.Meta.table_name).endswith("-devices"))
    assert {item.serialize()["ttl"]["N"] for item in devices.scan()} == {"1800000601"}
