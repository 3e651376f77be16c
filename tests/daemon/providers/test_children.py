"""A child's process: its pipes never block it, and nobody of its group survives a stop."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mooring.providers import children, process_group
from mooring.providers.children import Child

from .scripted import environment, marked, nobody_left, script

__all__ = ["nobody_left"]


async def spawn(command: tuple[str, ...], folder: Path, cwd: Path | None = None) -> Child:
    """Starts a child whose files are all in the folder."""
    paths = {"stderr_path": folder / "stderr.log", "children_path": folder / "children"}
    return await Child.spawn(command, cwd=cwd or folder, env=environment(), **paths)


def run(folder: Path, body: str, scene: Callable[[Child], Awaitable[None]]) -> None:
    """Spawns a script, runs the scene, and stops the child."""

    async def whole() -> None:
        child = await spawn(script(folder, body), folder)
        try:
            async with asyncio.timeout(20):
                await scene(child)
        finally:
            await child.stop(0.2)

    asyncio.run(whole())


async def line(child: Child) -> str:
    """Returns the next output, which the scripts here write in one piece."""
    return (await child.read()).decode().strip()


def test_input_comes_back_as_output_until_the_child_ends(tmp_path: Path) -> None:
    async def scene(child: Child) -> None:
        before = child.last_output
        await child.write(b"ping\n", 5)
        assert await line(child) == "ping"
        assert child.last_output > before
        await child.write(b"end\n", 5)
        assert await child.read() == b""
        await child.exited.wait()
        assert child.returncode == 3
        with pytest.raises(ConnectionError):
            await child.write(b"more\n", 5)

    body = """
    for line in sys.stdin:
        if line == "end\\n":
            sys.exit(3)
        print(line, end="", flush=True)
    """
    run(tmp_path, body, scene)


def test_a_program_or_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    for command, cwd in (("no-such-program", tmp_path), ("true", tmp_path / "gone")):
        with pytest.raises(FileNotFoundError):
            asyncio.run(spawn((command,), tmp_path, cwd))


def test_output_written_before_the_exit_is_read_though_a_grandchild_holds_the_pipe(tmp_path: Path) -> None:
    async def scene(child: Child) -> None:
        began = time.monotonic()
        assert await line(child) == "last words"
        assert await child.read() == b""
        assert child.exited.is_set()
        assert time.monotonic() - began < children.EXIT_GRACE_S + 3
        assert process_group.members(child.pid) == marked() != []

    body = """
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("last words", flush=True)
    """
    run(tmp_path, body, scene)


def test_a_grandchild_that_goes_on_writing_does_not_keep_a_dead_childs_output_open(tmp_path: Path) -> None:
    async def scene(child: Child) -> None:
        while await child.read():
            assert marked()

    body = """
    subprocess.Popen([sys.executable, "-c", "while True: print('noise', flush=True)"])
    """
    run(tmp_path, body, scene)


def test_a_megabyte_of_standard_error_blocks_nobody(tmp_path: Path) -> None:
    async def scene(child: Child) -> None:
        assert await line(child) == "done"
        assert child.stderr.tail().endswith("eee")

    run(tmp_path, "sys.stderr.write('e' * 1_000_000); print('done', flush=True); sys.stdin.read()", scene)


def test_output_that_nobody_reads_is_not_gathered(tmp_path: Path) -> None:
    async def scene(child: Child) -> None:
        total = len(await child.read())
        # The child fills what is kept here and the pipe, then has to wait; only then does it let the test go on.
        while not (tmp_path / "stuck").exists():
            await asyncio.sleep(0.01)
        assert child._pipes._unread <= children.MAX_UNREAD_BYTES + 256 * 1024
        while chunk := await child.read():
            total += len(chunk)
        assert total == 8_000_000

    body = """
    import threading
    written = 0
    def watch():
        last = -1
        while last != written or not written:
            last = written
            time.sleep(0.1)
        open("stuck", "w").close()
    threading.Thread(target=watch, daemon=True).start()
    for _ in range(8000):
        os.write(1, b"x" * 1000)
        written += 1
    """
    run(tmp_path, body, scene)


def test_a_write_that_is_never_read_ends_in_an_error(tmp_path: Path) -> None:
    async def scene(child: Child) -> None:
        with pytest.raises(ConnectionAbortedError, match="not read its input"):
            await child.write(b"x" * 10_000_000, 0.1)

    run(tmp_path, "time.sleep(600)", scene)


def test_a_child_and_a_grandchild_that_ignore_term_are_killed(tmp_path: Path) -> None:
    async def scene(child: Child) -> None:
        assert await line(child) == "ready"
        await asyncio.gather(child.stop(0.2), child.stop(0.2))
        assert child.returncode == -9

    body = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    read, write = os.pipe()
    code = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.write(%d, b'1'); time.sleep(600)" % write
    subprocess.Popen([sys.executable, "-c", code], pass_fds=[write])
    os.read(read, 1)
    print("ready", flush=True)
    time.sleep(600)
    """
    run(tmp_path, body, scene)


def test_a_grandchild_in_a_group_of_its_own_is_stopped_too(tmp_path: Path) -> None:
    async def scene(child: Child) -> None:
        assert await line(child) == "ready"
        assert len(process_group.members(child.pid)) == 2
        child.kill()
        await child.exited.wait()

    body = """
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
    print("ready", flush=True)
    time.sleep(600)
    """
    run(tmp_path, body, scene)


def test_a_stop_whose_caller_is_cancelled_goes_on(tmp_path: Path) -> None:
    async def scene(child: Child) -> None:
        assert await line(child) == "ready"
        caller = asyncio.create_task(child.stop(0.2))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await child.stop()
        assert marked() == []

    run(tmp_path, "signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)", scene)


def test_a_child_is_written_down_while_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a child that the next daemon would not find, and a record that stays and costs each start a look."""
    monkeypatch.setattr(children, "CONFIRM_S", 0.01)

    async def scene(child: Child) -> None:
        record = tmp_path / "children" / f"{child.pid}.json"
        at_first = record.read_bytes()
        while record.read_bytes() == at_first:
            await asyncio.sleep(0.01)
        await child.stop(0.2)
        assert list(record.parent.iterdir()) == []

    run(tmp_path, "time.sleep(600)", scene)


def test_a_child_that_can_not_be_written_down_does_not_run(tmp_path: Path) -> None:
    """Catches a child that is used although no later daemon could know of it."""

    async def scene() -> None:
        with pytest.raises(FileExistsError):
            await spawn(script(tmp_path, "time.sleep(600)"), tmp_path)
        async with asyncio.timeout(20):
            while marked():
                await asyncio.sleep(0.01)

    (tmp_path / "children").write_text("not a folder")
    asyncio.run(scene())


def test_a_record_that_can_not_be_kept_up_to_date_is_said_once_and_costs_no_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(children, "CONFIRM_S", 0.01)

    async def scene(child: Child) -> None:
        # A folder where the new record would be written.
        (tmp_path / "children" / f"{child.pid}.new").mkdir()
        while not caplog.records:
            await asyncio.sleep(0.01)
        await child.write(b"ping\n", 5)
        assert await line(child) == "ping"
        assert ["no longer kept up to date" in one.message for one in caplog.records] == [True]

    run(tmp_path, "print(sys.stdin.readline(), end='', flush=True); time.sleep(600)", scene)


def test_without_proc_a_group_is_told_to_be_there_or_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(child: Child) -> None:
        monkeypatch.setattr(process_group, "_HAS_PROC", False)
        assert process_group.members(child.pid) == [child.pid]
        child.kill()
        await child.exited.wait()
        assert process_group.members(child.pid) == []

    run(tmp_path, "time.sleep(600)", scene)


def test_zombies_and_strangers_are_no_members() -> None:
    zombie = subprocess.Popen(["true"], start_new_session=True)
    try:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{zombie.pid}").exists()
        assert process_group.members(zombie.pid) == []
        process_group.signal_all(zombie.pid, 9)
    finally:
        zombie.wait()
