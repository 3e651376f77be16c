"""Greeting an agent: it is started, asked what it can do, and stopped. No conversation begins and no model is asked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
from dataclasses import dataclass
from typing import Final

from acp import PROTOCOL_VERSION, RequestError
from acp.client.connection import ClientSideConnection
from acp.schema import AgentCapabilities as Said
from acp.schema import ClientCapabilities, Implementation, InitializeResponse
from pydantic import ValidationError

from .. import __version__
from ..wire.frames import AgentCapabilities
from .acp_child import ACPChild
from .acp_client import ACPClient
from .acp_session import error_of, ways_back
from .acp_translate import Translator
from .manners import client_meta
from .ports import ChildSpec, ProviderError, Question, Verdict

MAX_PROBLEM: Final = 300
"""Characters of why an agent does not work."""

MAX_AUTH_METHODS: Final = 8
MAX_WORD: Final = 64
VERSION_S: Final = 10.0
"""How long a program may take to say its version (seconds)."""

MAX_VERSION_BYTES: Final = 4096

_TERM_S: Final = 2.0
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+[\w.+-]*")


@dataclass(frozen=True)
class Greeting:
    """What came of it: an agent that answered, or the problem.

    Attributes:
        version: the agent's own word; empty if it says none.
        problem: why it does not work; empty = it answered.
    """

    version: str = ""
    capabilities: AgentCapabilities | None = None
    problem: str = ""


async def initialized(connection: ClientSideConnection, agent_id: str) -> InitializeResponse:
    """The agent's answer to who we are.

    Raises:
        ProviderError: it speaks another version of ACP.
        RequestError, ConnectionError, ValidationError: there is none, or none that can be read.
    """
    fs = {"readTextFile": False, "writeTextFile": False}
    hello = await connection.initialize(
        protocol_version=PROTOCOL_VERSION,
        client_capabilities=ClientCapabilities.model_validate({"fs": fs, "_meta": client_meta(agent_id) or None}),
        client_info=Implementation(name="mooring", version=__version__),
    )
    if hello.protocol_version != PROTOCOL_VERSION:
        text = f"The agent speaks ACP version {hello.protocol_version}; this daemon speaks {PROTOCOL_VERSION}."
        raise ProviderError("agent_failed", text)
    return hello


async def greet(spec: ChildSpec) -> Greeting:
    """Greets an agent. Nothing of it is left running when this returns, nor when it is cancelled."""
    child: ACPChild | None = None
    try:
        async with asyncio.timeout(spec.handshake_timeout_s):
            client = ACPClient(Translator(spec.agent_id), lambda _: None, _nobody, spec)
            child = await ACPChild.start(spec, client, lambda _: None)
            hello = await initialized(child.connection, spec.agent_id)
    except ProviderError as exc:
        return _unwell(exc.message)
    except TimeoutError:
        return _unwell(f"It did not answer within {spec.handshake_timeout_s:g} s.")
    except RequestError as exc:
        return _unwell(error_of(exc)[1])
    except ValidationError:
        return _unwell("Its answer is not as ACP has it.")
    except ConnectionError:
        assert child is not None
        await child.buried()
        return _unwell(child.obituary())
    finally:
        if child is not None:
            await child.stop(_TERM_S)
    version = hello.agent_info.version if hello.agent_info else ""
    methods = tuple(one.id[:MAX_WORD] for one in (hello.auth_methods or ())[:MAX_AUTH_METHODS])
    return Greeting(version[:MAX_WORD], capabilities_of(hello.agent_capabilities, methods))


def capabilities_of(said: Said | None, auth_methods: tuple[str, ...] = ()) -> AgentCapabilities:
    """What an agent says that it can do, in the wire's words."""
    said = said or Said()
    prompt, mcp = said.prompt_capabilities, said.mcp_capabilities
    back = ways_back(said)
    return AgentCapabilities(
        load="load" in back,
        resume="resume" in back,
        image=bool(prompt and prompt.image),
        audio=bool(prompt and prompt.audio),
        embedded_context=bool(prompt and prompt.embedded_context),
        mcp_http=bool(mcp and mcp.http),
        mcp_sse=bool(mcp and mcp.sse),
        auth_methods=auth_methods,
    )


async def version_said(spec: ChildSpec) -> str:
    """What the agent's program says to ``--version``; empty = nothing that looks like one, or not in time."""
    with tempfile.TemporaryFile() as out:  # Not a pipe, which a grandchild could hold open.
        try:
            asked = await asyncio.create_subprocess_exec(
                spec.command[0],
                "--version",
                cwd=spec.cwd,
                env=dict(spec.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return ""
        try:
            async with asyncio.timeout(VERSION_S):
                await asked.wait()
        except TimeoutError:
            return ""
        finally:
            _end_group(asked)
            await asked.wait()
        out.seek(0)
        found = _VERSION.search(out.read(MAX_VERSION_BYTES).decode("utf-8", "replace"))
    return found.group()[:MAX_WORD] if found else ""


def _end_group(asked: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):  # It has ended by itself, as it should.
        if sys.platform == "win32":
            asked.kill()
        else:
            os.killpg(asked.pid, signal.SIGKILL)


def _unwell(why: str) -> Greeting:
    return Greeting(problem=" ".join(why.split())[:MAX_PROBLEM])


async def _nobody(question: Question) -> Verdict:
    return Verdict("cancelled")
