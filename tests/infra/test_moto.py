"""The AWS stand-in: its lock, what it keeps over restarts, and who owns its directory."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local import journal
from infra.local.journal import Entry, Journal, JournalDamaged
from infra.local.moto_child import MotoChild, MotoChildError, start_or_adopt
from infra.local.moto_server import JOURNAL_FILE

RACERS = 8
ROUNDS = 40
STEPS = 10

StartMoto = Callable[..., MotoChild]


def aws(service: str, child: MotoChild) -> Any:
    return aws_at(service, child.url)


def aws_at(service: str, url: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]  # The stubs want each service by name.
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def make_table(db: Any, name: str = "rooms") -> None:
    db.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )


def wait_for_end(pid: int, timeout_s: float = 10.0) -> bool:
    """Wait for a process that may be nobody's child; True when it ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], timeout_s)[0])
    finally:
        os.close(handle)


@pytest.fixture
def start_moto(tmp_path: Path) -> Iterator[StartMoto]:
    """Start or adopt a server for this test's directory; `data=None` for one in memory."""
    children: list[MotoChild] = []

    def start(data: Path | None = tmp_path / "data", *extra: str) -> MotoChild:
        children.append(start_or_adopt(data, extra=extra))
        return children[-1]

    yield start
    for child in reversed(children):
        child.stop()


def race(work: Callable[[int], bool]) -> list[bool]:
    """Run `work` in all racers at the same moment."""
    gate = threading.Barrier(RACERS)

    def run(racer: int) -> bool:
        gate.wait()
        return work(racer)

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(run, range(RACERS)))


def is_accepted(write: Callable[..., object], **arguments: Any) -> bool:
    try:
        write(**arguments)
    except ClientError as refusal:
        if refusal.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def test_conditional_writes_have_one_winner_each(start_moto: StartMoto) -> None:
    """Race conditional writes while the server's threads switch a hundred thousand times a second.

    Fails without the lock round moto's dispatch: a condition is then checked and its item written in two steps, and
    several racers of a round pass the check, or an acknowledged increment is overwritten.
    """
    child = start_moto(None, "--switch-interval-s", "1e-5")
    clients = [aws("dynamodb", child) for _ in range(RACERS)]
    make_table(clients[0])

    for round_number in range(ROUNDS):
        key = {"pk": {"S": f"round-{round_number}"}}

        def put(racer: int, key: dict[str, Any] = key) -> bool:
            item = {**key, "winner": {"N": str(racer)}}
            return is_accepted(
                clients[racer].put_item, TableName="rooms", Item=item, ConditionExpression="attribute_not_exists(pk)"
            )

        won = race(put)
        kept = clients[0].get_item(TableName="rooms", Key=key)["Item"]["winner"]["N"]
        assert [racer for racer, has_won in enumerate(won) if has_won] == [int(kept)]

    def count(racer: int) -> bool:
        for _ in range(STEPS):
            clients[racer].update_item(
                TableName="rooms",
                Key={"pk": {"S": "counter"}},
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
        return True

    race(count)
    counter = clients[0].get_item(TableName="rooms", Key={"pk": {"S": "counter"}})["Item"]
    assert counter["n"]["N"] == str(RACERS * STEPS)


def test_restart_keeps_items_objects_and_keys(start_moto: StartMoto, tmp_path: Path) -> None:
    first = start_moto()
    db, s3, kms = (aws(service, first) for service in ("dynamodb", "s3", "kms"))
    make_table(db)
    make_table(db, "dropped")
    db.delete_table(TableName="dropped")
    db.update_time_to_live(TableName="rooms", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    for number in range(30):
        db.put_item(TableName="rooms", Item={"pk": {"S": f"é{number}"}, "body": {"B": b"\x00\xff"}})
    db.put_item(TableName="rooms", Item={"pk": {"S": "expired"}, "ttl": {"N": "1000"}})
    db.delete_item(TableName="rooms", Key={"pk": {"S": "é0"}})
    assert not is_accepted(
        db.put_item, TableName="rooms", Item={"pk": {"S": "é1"}}, ConditionExpression="attribute_not_exists(pk)"
    )
    db.update_item(
        TableName="rooms",
        Key={"pk": {"S": "é2"}},
        UpdateExpression="SET n = :n",
        ExpressionAttributeValues={":n": {"N": "7"}},
    )
    s3.create_bucket(Bucket="bodies")
    s3.put_object(Bucket="bodies", Key="a b/é+1", Body=b"\x00" * 70_000, ContentType="text/x", Metadata={"k": "v"})
    s3.put_object(Bucket="bodies", Key="deleted", Body=b"x")
    s3.delete_object(Bucket="bodies", Key="deleted")
    upload = s3.create_multipart_upload(Bucket="bodies", Key="parts")["UploadId"]
    part = s3.upload_part(Bucket="bodies", Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    s3.complete_multipart_upload(
        Bucket="bodies",
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    key_id = kms.create_key(Description="vault")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/vault", TargetKeyId=key_id)
    context = {"tenant": "t1"}
    sealed = [
        kms.encrypt(KeyId=name, Plaintext=b"secret", EncryptionContext=context)["CiphertextBlob"]
        for name in ("alias/vault", "alias/aws/ssm")
    ]
    lines_before = len(journal.read(tmp_path / "data" / JOURNAL_FILE))

    # The second restart reads what the first one compacted.
    for _ in range(2):
        start_moto().stop()
    again = start_moto()

    db, s3, kms = (aws(service, again) for service in ("dynamodb", "s3", "kms"))
    assert len(journal.read(tmp_path / "data" / JOURNAL_FILE)) < lines_before
    assert db.list_tables()["TableNames"] == ["rooms"]
    assert db.describe_time_to_live(TableName="rooms")["TimeToLiveDescription"]["AttributeName"] == "ttl"
    items = {item["pk"]["S"]: item for item in db.scan(TableName="rooms")["Items"]}
    assert items.keys() == {f"é{number}" for number in range(1, 30)}
    assert items["é1"]["body"]["B"] == b"\x00\xff"
    assert items["é2"]["n"]["N"] == "7"
    assert [found["Key"] for found in s3.list_objects_v2(Bucket="bodies")["Contents"]] == ["a b/é+1", "parts"]
    found = s3.get_object(Bucket="bodies", Key="a b/é+1")
    assert (found["Body"].read(), found["ContentType"], found["Metadata"]) == (b"\x00" * 70_000, "text/x", {"k": "v"})
    assert s3.get_object(Bucket="bodies", Key="parts")["Body"].read() == b"part"
    for blob in sealed:
        assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"secret"
    assert kms.describe_key(KeyId="alias/vault")["KeyMetadata"]["KeyId"] == key_id


def test_killed_server_lost_nothing_it_acknowledged(start_moto: StartMoto, tmp_path: Path) -> None:
    first = start_moto()
    db = aws("dynamodb", first)
    make_table(db)
    db.put_item(TableName="rooms", Item={"pk": {"S": "kept"}})
    os.kill(first.pid, signal.SIGKILL)
    assert wait_for_end(first.pid)
    with (tmp_path / "data" / JOURNAL_FILE).open("ab") as file:
        file.write(b'{"service":"dynamodb","re')  # What a death in the middle of a write leaves.
    second = start_moto()
    assert not second.is_adopted
    assert aws("dynamodb", second).get_item(TableName="rooms", Key={"pk": {"S": "kept"}})["Item"]
    assert "torn" in (tmp_path / "data" / "moto.log").read_text()


def test_living_server_is_adopted_and_its_directory_refused_to_another(
    start_moto: StartMoto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start_moto()
    second = start_moto()
    assert second.is_adopted
    assert (second.pid, second.url) == (first.pid, first.url)
    (tmp_path / "data" / "moto.json").write_text('{"pid": 1, "port": 9, "token": "of another"}')
    monkeypatch.setattr("infra.local.moto_child.RESTORE_TIMEOUT_S", 0.2)
    with pytest.raises(MotoChildError, match="in use by another server"):
        start_moto()


def test_unused_server_ends_by_itself(start_moto: StartMoto, tmp_path: Path) -> None:
    child = start_moto(tmp_path / "data", "--idle-exit-s", "0.1")
    assert child.process is not None
    assert child.process.wait(10.0) == 0


def test_server_that_dies_in_the_middle_of_its_answer_is_not_alive() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_half() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 74\r\n\r\n{")

        dying = threading.Thread(target=answer_half)
        dying.start()
        child = MotoChild(f"http://127.0.0.1:{listener.getsockname()[1]}", 1, None, None)
        assert not child.is_alive()
        dying.join()


def test_journal_skips_a_torn_last_line_only(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    entries = [Entry("s3", "r", "PUT", "/b/k", {"h": "v"}, b"\xff\x00"), Entry("dynamodb", "r", body=b"{}")]
    kept = Journal(path)
    for entry in entries:
        kept.append(entry)
    kept.close()
    assert path.stat().st_mode & 0o777 == 0o600
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert journal.read(path) == entries[:1]
    path.write_bytes(whole[5:])
    with pytest.raises(JournalDamaged, match="line 1"):
        journal.read(path)


def test_rewritten_journal_is_whole_or_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    old = [Entry("s3", "r", "PUT", "/b/old")]
    journal.rewrite(path, old)

    def fail_halfway() -> Iterator[Entry]:
        yield Entry("s3", "r", "PUT", "/b/new")
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        journal.rewrite(path, fail_halfway())
    assert journal.read(path) == old
