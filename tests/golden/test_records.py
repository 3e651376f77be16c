"""Old logs are intact, mean what they meant, and go on from whichever of their records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.actors.loop import Cause
from chalicelib.core.object_key import ObjectKey
from chalicelib.core.record import open_session, seal, verify
from tests.fakes import FakeClock, fake_stores

from .frozen import as_then, versions
from .records import Later, goes_on, load, logs
from .rows import OPEN

LOGS = {folder: logs(folder) for folder in versions()}
OBJECTS = [(folder, key) for folder, kept in LOGS.items() for key in kept]
RECORDS = [(folder, key, n) for folder, key in OBJECTS for n in range(1, len(LOGS[folder][key]) + 1)]
STATES = [one for one in RECORDS if one[1].kind == "session"]
CAUSED = [(folder, key, n) for folder, key, n in STATES if open_session(LOGS[folder][key][n - 1]).cause]
TRIED = [(folder, key, n) for folder, key, n in STATES if open_session(LOGS[folder][key][n - 1]).state.tried]


def name(value: object) -> str:
    return value.name if isinstance(value, Path) else str(value)


@pytest.mark.parametrize(("folder", "key"), OBJECTS, ids=name)
def test_the_chain_of_an_old_log_holds(folder: Path, key: ObjectKey) -> None:
    """Catches another way to hash, or to say what came before: every log of before would look rewritten."""
    assert verify(list(enumerate(LOGS[folder][key], 1))) == []


@pytest.mark.parametrize(("folder", "key", "n"), RECORDS, ids=name)
def test_an_old_record_is_opened_and_holds_what_was_sealed(folder: Path, key: ObjectKey, n: int) -> None:
    """Catches a field of a record, a state or a stored event that was renamed, dropped or given another type."""
    body = LOGS[folder][key][n - 1]
    assert as_then(json.loads(seal(OPEN[key.kind](body))), json.loads(body)) == json.loads(body)


@pytest.mark.parametrize(("folder", "key", "n"), STATES, ids=name)
def test_every_old_state_takes_a_further_message_and_is_worked_off(folder: Path, key: ObjectKey, n: int) -> None:
    """Catches a machine that can no longer decide about what an earlier one left: a turn, a question, a watermark."""
    clock = FakeClock()
    stores = fake_stores(clock)
    clock.time = load(stores, LOGS[folder], key, n).at + 1
    goes_on(Later(stores, key))


@pytest.mark.parametrize(("folder", "key", "n"), CAUSED, ids=name)
def test_a_request_of_before_is_known_when_it_comes_again(folder: Path, key: ObjectKey, n: int) -> None:
    """Catches another reading of idempotency keys: a client's retry across an upgrade would be carried out twice."""
    stores = fake_stores(FakeClock())
    asked = load(stores, LOGS[folder], key, n)
    assert asked.cause is not None
    cause = Cause(asked.cause, asked.cause_digest or "")
    later = Later(stores, key)
    posted = later.plane.sessions.post(later.tenant_id, later.session_id, (), expires_in_s=1.0, cause=cause)
    assert (posted, len(later.log)) == (asked, n)


@pytest.mark.parametrize(("folder", "key", "n"), TRIED, ids=name)
def test_another_try_of_what_an_sdk_posted_before_is_known(folder: Path, key: ObjectKey, n: int) -> None:
    """Catches tries that are told apart otherwise: an SDK that goes on trying across an upgrade is obeyed twice."""
    stores = fake_stores(FakeClock())
    before = load(stores, LOGS[folder], key, n).state.tried[-1]
    another = replace(before.one, count=before.one.count + 1)
    later = Later(stores, key)
    posted = later.plane.sessions.post(
        later.tenant_id, later.session_id, (), expires_in_s=1.0, cause=None, attempt=another
    )
    assert (posted.n, len(later.log)) == (before.n, n)
