"""What is said to an agent about a session, and what is read from its answers."""

from __future__ import annotations

from typing import Any

import pytest
from acp import RequestError
from acp.schema import AgentCapabilities, InitializeResponse, PromptResponse
from pydantic import ValidationError

from mooring.providers.acp_session import (
    MAX_ERROR,
    Continuation,
    error_of,
    mcp_servers,
    read_continuation,
    stop_reason_of,
    used_in,
    version_of,
    ways_back,
)
from mooring.providers.ports import MCPRemote


def test_a_continuation_comes_back_for_the_same_agent_only() -> None:
    kept = Continuation("gemini", "s", "gemini 1").dump()
    assert read_continuation(kept, "gemini") == Continuation("gemini", "s", "gemini 1")
    assert read_continuation(kept, "echo") is None
    for broken in ("", "[]", "{", '{"agent_id":"gemini"}', '{"agent_id":"gemini","session_id":3}'):
        assert read_continuation(broken, "gemini") is None


@pytest.mark.parametrize(
    ("capabilities", "ways"),
    [
        (None, ()),
        ({}, ()),
        ({"sessionCapabilities": None}, ()),
        ({"loadSession": True}, ("load",)),
        ({"sessionCapabilities": {"resume": {}}}, ("resume",)),
        ({"loadSession": True, "sessionCapabilities": {"resume": {}}}, ("resume", "load")),
    ],
)
def test_resume_comes_before_load(capabilities: dict[str, Any] | None, ways: tuple[str, ...]) -> None:
    parsed = None if capabilities is None else AgentCapabilities.model_validate(capabilities)
    assert ways_back(parsed) == ways


def test_an_agent_that_says_nothing_of_mcp_gets_no_remote_servers() -> None:
    servers = [MCPRemote("a", "http://a"), MCPRemote("b", "http://b", transport="sse")]
    assert mcp_servers(servers, None) == ([], ["a", "b"])
    offered, refused = mcp_servers(servers, AgentCapabilities.model_validate({"mcpCapabilities": {"sse": True}}))
    assert ([server.name for server in offered], refused) == (["b"], ["a"])


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RequestError(-32000, "Authentication required"), "authentication_required", "Authentication required"),
        (RequestError(-32603, "Internal error: x", {"details": "x"}), "agent_failed", "Internal error: x"),
        (RequestError(-32603, "Internal error", {"message": "why"}), "agent_failed", "Internal error: why"),
        (RequestError(-32603, "Internal error", "why"), "agent_failed", "Internal error: why"),
        (RequestError(429, "Quota", {"details": {"deep": 1}}), "agent_failed", "Quota"),
        (RequestError(1, "x" * 9999), "agent_failed", "x" * MAX_ERROR),
    ],
)
def test_an_agents_error_has_our_code_and_its_detail(error: RequestError, code: str, message: str) -> None:
    assert error_of(error) == (code, message)


def test_an_unknown_stop_reason_is_told_from_other_trouble() -> None:
    for answer, reason in (({"stopReason": "bored"}, "bored"), ({"stopReason": 3}, None), ({}, None)):
        with pytest.raises(ValidationError) as caught:
            PromptResponse.model_validate(answer)
        assert stop_reason_of(caught.value) == reason


@pytest.mark.parametrize(
    ("more", "used"),
    [
        (
            {"usage": {"inputTokens": 10, "outputTokens": 3, "totalTokens": 13}},
            {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13},
        ),
        (
            {"_meta": {"quota": {"token_count": {"input_tokens": 10, "output_tokens": 3}}}},
            {"input_tokens": 10, "output_tokens": 3},
        ),
        ({"_meta": {"quota": {"token_count": None}}}, {}),
        ({"_meta": {"quota": []}}, {}),
        ({}, {}),
    ],
)
def test_the_tokens_of_a_turn_are_found_where_the_agent_tells_them(more: dict[str, Any], used: dict[str, Any]) -> None:
    """Gemini CLI tells them beside the protocol."""
    assert used_in(PromptResponse.model_validate({"stopReason": "end_turn", **more})) == used


def test_a_version_is_name_and_number() -> None:
    hello = {"protocolVersion": 1, "agentInfo": {"name": "x", "version": "1.2"}}
    assert version_of(InitializeResponse.model_validate(hello)) == "x 1.2"
    assert version_of(InitializeResponse.model_validate({"protocolVersion": 1})) is None
