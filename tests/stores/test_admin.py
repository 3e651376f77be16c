"""`python -m infra.admin verify`: a log that is not what was written is named by its record."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.core.catalog import Tenant
from chalicelib.core.object_key import session_key
from chalicelib.core.record import FIRST_PREV, Record, seal
from chalicelib.core.session_state import SessionState
from chalicelib.stores import Tables
from chalicelib.stores.objects import ObjectRecords
from chalicelib.wire.codec import digest
from chalicelib.wire.ids import RuntimeId, SessionId, TenantId
from infra.admin import EXIT_FLAWED, EXIT_INTACT, EXIT_UNKNOWN, main
from tests.stores.conftest import PREFIX, REGION

TENANT, SESSION = TenantId("ten_a"), SessionId("sesn_1")
N_RECORDS = 6


@pytest.fixture
def head_hash(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> str:
    """A session with a log of six records in a plane with one tenant."""
    monkeypatch.setenv("MOORING_TABLE_PREFIX", PREFIX)
    monkeypatch.setenv("AWS_REGION", REGION)
    tables.tenants.put(Tenant(tenant_id=TENANT, name="A", created_at=1.0))
    state = SessionState(
        session_id=SESSION, runtime_id=RuntimeId("rt_1"), agent_id="echo", idle_limit_s=600.0, hard_limit_s=3600.0
    )
    prev = FIRST_PREV
    for n in range(1, N_RECORDS + 1):
        body = seal(Record(n=n, at=float(n), prev=prev, state=state, cause=f"cause {n}"))
        tables.objects.append(session_key(TENANT, SESSION), n, body, None)
        prev = digest(body)
    return prev


def item(tables: Tables, n: int) -> ObjectRecords:
    records = next(table for table in tables.models if issubclass(table, ObjectRecords))
    return records.get(str(session_key(TENANT, SESSION)), n)


def ask(*argv: str) -> tuple[int, str]:
    said: list[str] = []
    status = main(["verify", *argv], said.append)
    return status, "\n".join(said)


def test_an_intact_log_is_called_so_with_its_head(head_hash: str) -> None:
    assert ask(SESSION) == (
        EXIT_INTACT,
        f"session sesn_1: intact\nhead: record {N_RECORDS}, sha256 {head_hash}",
    )


def test_a_log_of_several_pages_is_read_whole(head_hash: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.admin._PAGE", 4)
    assert ask(SESSION)[0] == EXIT_INTACT


def test_one_changed_byte_names_its_record(head_hash: str, tables: Tables) -> None:
    changed = item(tables, 3)
    changed.body = changed.body.replace(b"cause 3", b"cause 4")
    changed.save()
    status, said = ask(SESSION)
    assert status == EXIT_FLAWED
    assert said.splitlines()[0] == "session sesn_1: NOT intact"
    assert [line for line in said.splitlines() if line.startswith("record ")] == [
        "record 3: its bytes are not those that record 4 was written after"
    ]


def test_a_missing_record_is_named(head_hash: str, tables: Tables) -> None:
    item(tables, 2).delete()
    status, said = ask(SESSION, "--json")
    report = json.loads(said)
    assert status == EXIT_FLAWED
    assert report["intact"] is False
    assert [flaw["n"] for flaw in report["flaws"]] == [2]


def test_json_says_the_same(head_hash: str) -> None:
    status, said = ask(SESSION, "--tenant", TENANT, "--json")
    assert status == EXIT_INTACT
    assert json.loads(said) == {
        "session_id": SESSION,
        "tenant_id": TENANT,
        "intact": True,
        "head_n": N_RECORDS,
        "head_hash": head_hash,
        "flaws": [],
    }


def test_an_unknown_or_foreign_session_is_not_found(head_hash: str) -> None:
    assert ask("sesn_2") == (EXIT_UNKNOWN, "There is no session sesn_2 of tenant ten_a.")
    status, said = ask(SESSION, "--tenant", "ten_b", "--json")
    assert status == EXIT_UNKNOWN
    assert json.loads(said) == {"error": "There is no session sesn_1 of tenant ten_b."}


def test_of_several_tenants_one_must_be_named(head_hash: str, tables: Tables) -> None:
    tables.tenants.put(Tenant(tenant_id=TenantId("ten_b"), name="B", created_at=2.0))
    assert ask(SESSION) == (
        EXIT_UNKNOWN,
        "The plane has 2 tenants: say whose session it is with --tenant.",
    )
    assert ask(SESSION, "--tenant", TENANT)[0] == EXIT_INTACT


def test_it_is_a_command() -> None:
    root = Path(__file__).parents[2]
    asked = subprocess.run(
        [sys.executable, "-m", "infra.admin", "verify", "--help"], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert asked.returncode == 0
    assert "--endpoint URL" in asked.stdout
