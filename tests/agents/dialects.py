"""How models are spoken to: the four APIs that the agents know, each read into `Asked` and written from `Answer`.

Only as much of each as agents use: streamed and whole answers, tool calls, errors.
Source: Anthropic "Messages", OpenAI "Responses" and "Chat Completions", Google "Gemini API" references.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

JSON = dict[str, Any]

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Tool:
    """A tool that a request offers; ``parameters`` is its JSON schema."""

    name: str
    parameters: JSON


@dataclass(frozen=True)
class Asked:
    """What a request asks, whatever its API.

    Attributes:
        said: the texts of the user's side in their order, with what agents add to them.
        called: the tools that the model has called so far.
        result: the tool result that the request ends with; None = it ends with something else.
        schema: the JSON schema that the answer must follow; None = free text.
    """

    said: tuple[str, ...]
    called: frozenset[str]
    result: str | None
    tools: tuple[Tool, ...]
    schema: JSON | None
    is_streamed: bool


@dataclass(frozen=True)
class Answer:
    """What the model says: text in pieces, perhaps after a thought, or one tool call, or an HTTP error.

    Attributes:
        call: a tool's name and its arguments; a text for a tool that takes bare text.
    """

    pieces: tuple[str, ...] = ()
    call: tuple[str, JSON | str] | None = None
    thought: str = ""
    status: int = 200
    is_slow: bool = False

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)


class Dialect:
    """One API."""

    def read(self, path: str, body: JSON) -> Asked:
        """What a request asks."""
        raise NotImplementedError

    def stream(self, answer: Answer) -> Iterator[str]:
        """The server-sent events of an answer, one string each time something is to be sent."""
        raise NotImplementedError

    def whole(self, answer: Answer) -> JSON:
        """An answer in one piece."""
        raise NotImplementedError

    def error(self, status: int, message: str) -> JSON:
        """The body of an HTTP error."""
        return {"error": {"type": "invalid_request_error", "message": message, "code": None, "param": None}}


class Messages(Dialect):
    """Anthropic's."""

    def read(self, path: str, body: JSON) -> Asked:
        """See `Dialect`."""
        said: list[str] = []
        called: set[str] = set()
        result = None
        for message in body.get("messages", []):
            blocks = _blocks(message["content"])
            called |= {block["name"] for block in blocks if block.get("type") == "tool_use"}
            result = None
            if message["role"] == "user":
                results = [_text(block.get("content")) for block in blocks if block.get("type") == "tool_result"]
                result = "\n".join(results) if results else None
                said += [block["text"] for block in blocks if block.get("type") == "text"]
        tools = [Tool(one["name"], one.get("input_schema", {})) for one in body.get("tools", [])]
        form = body.get("output_format") or (body.get("output_config") or {}).get("format") or {}
        return Asked(tuple(said), frozenset(called), result, tuple(tools), form.get("schema"), bool(body.get("stream")))

    def stream(self, answer: Answer) -> Iterator[str]:
        """See `Dialect`."""
        message = {**self.whole(Answer()), "content": [], "stop_reason": None}
        yield _event({"type": "message_start", "message": message})
        for index, (block, deltas) in enumerate(self._parts(answer)):
            yield _event({"type": "content_block_start", "index": index, "content_block": block})
            for delta in deltas:
                yield _event({"type": "content_block_delta", "index": index, "delta": delta})
            yield _event({"type": "content_block_stop", "index": index})
        end = {"stop_reason": self._stop(answer), "stop_sequence": None}
        yield _event({"type": "message_delta", "delta": end, "usage": {"output_tokens": 3}})
        yield _event({"type": "message_stop"})

    def whole(self, answer: Answer) -> JSON:
        """See `Dialect`."""
        content: list[JSON] = [{"type": "text", "text": answer.text}]
        if answer.call is not None:
            content = [{"type": "tool_use", "id": _id("toolu"), "name": answer.call[0], "input": answer.call[1]}]
        usage = {"input_tokens": 10, "output_tokens": 3}
        fixed = {"type": "message", "role": "assistant", "model": "fake", "stop_sequence": None, "usage": usage}
        return {"id": _id("msg"), "content": content, "stop_reason": self._stop(answer), **fixed}

    def error(self, status: int, message: str) -> JSON:
        """See `Dialect`."""
        return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}

    def _parts(self, answer: Answer) -> Iterator[tuple[JSON, list[JSON]]]:
        if answer.thought:
            thinking = {"type": "thinking", "thinking": "", "signature": ""}
            signed = {"type": "signature_delta", "signature": "c2lnbmVk"}
            yield thinking, [{"type": "thinking_delta", "thinking": answer.thought}, signed]
        if answer.call is not None:
            name, arguments = answer.call
            call = {"type": "tool_use", "id": _id("toolu"), "name": name, "input": {}}
            yield call, [{"type": "input_json_delta", "partial_json": json.dumps(arguments)}]
        else:
            yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in answer.pieces]

    def _stop(self, answer: Answer) -> Literal["tool_use", "end_turn"]:
        return "tool_use" if answer.call is not None else "end_turn"


class Responses(Dialect):
    """OpenAI's newer one."""

    def read(self, path: str, body: JSON) -> Asked:
        """See `Dialect`."""
        said: list[str] = []
        called: set[str] = set()
        result = None
        for item in _blocks(body.get("input", [])):
            kind = item.get("type", "message")
            if kind.endswith("_call"):
                name = item.get("name", kind.removesuffix("_call"))
                called.add(f"{item['namespace']}.{name}" if "namespace" in item else name)
            result = _text(item.get("output")) if kind.endswith("_call_output") else None
            if kind == "message" and item.get("role") == "user":
                said += [block["text"] for block in _blocks(item["content"]) if "text" in block]
        tools = [Tool(one.get("name", one["type"]), one.get("parameters") or {}) for one in body.get("tools", [])]
        form = (body.get("text") or {}).get("format") or {}
        return Asked(tuple(said), frozenset(called), result, tuple(tools), form.get("schema"), bool(body.get("stream")))

    def stream(self, answer: Answer) -> Iterator[str]:
        """See `Dialect`."""
        whole = self.whole(answer)
        yield _event({"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}})
        for index, item in enumerate(whole["output"]):
            place = {"item_id": item["id"], "output_index": index}
            empty: JSON = {name: [] for name in ("content", "summary") if name in item}
            started = {**item, "status": "in_progress", **empty}
            yield _event({"type": "response.output_item.added", "output_index": index, "item": started})
            if item["type"] == "reasoning":
                place["summary_index"] = 0
                part = {"type": "summary_text", "text": ""}
                yield _event({"type": "response.reasoning_summary_part.added", "part": part, **place})
                yield _event({"type": "response.reasoning_summary_text.delta", "delta": answer.thought, **place})
            elif item["type"] == "message":
                for piece in answer.pieces:
                    yield _event({"type": "response.output_text.delta", "delta": piece, "content_index": 0, **place})
            yield _event({"type": "response.output_item.done", "output_index": index, "item": item})
        yield _event({"type": "response.completed", "response": whole})

    def whole(self, answer: Answer) -> JSON:
        """See `Dialect`."""
        text = {"type": "output_text", "text": answer.text, "annotations": []}
        item: JSON = {"type": "message", "id": _id("msg"), "role": "assistant", "content": [text]}
        if answer.call is not None:
            item = {"id": _id("fc"), "call_id": _id("call"), **self._call(*answer.call)}
        thought: JSON = {"type": "reasoning", "id": _id("rs")}
        thoughts = [{**thought, "summary": [{"type": "summary_text", "text": answer.thought}]}] * bool(answer.thought)
        usage = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}
        done = {"id": _id("resp"), "object": "response", "status": "completed", "model": "fake"}
        return {**done, "output": [*thoughts, {**item, "status": "completed"}], "usage": usage}

    def _call(self, name: str, arguments: JSON | str) -> JSON:
        if isinstance(arguments, str):
            return {"type": "custom_tool_call", "name": name, "input": arguments}
        if name == "tool_search":
            return {"type": "tool_search_call", "execution": "client", "arguments": arguments}
        namespace, _, tool = name.rpartition(".")
        within = {"namespace": namespace} if namespace else {}
        return {"type": "function_call", "name": tool, "arguments": json.dumps(arguments), **within}


class ChatCompletions(Dialect):
    """OpenAI's older one, which everybody else speaks too."""

    def read(self, path: str, body: JSON) -> Asked:
        """See `Dialect`."""
        said: list[str] = []
        called: set[str] = set()
        result = None
        for message in body.get("messages", []):
            called |= {one["function"]["name"] for one in message.get("tool_calls") or ()}
            result = _text(message.get("content")) if message["role"] == "tool" else None
            if message["role"] == "user":
                said += [block["text"] for block in _blocks(message["content"]) if "text" in block]
        offered = [one["function"] for one in body.get("tools", [])]
        tools = [Tool(one["name"], one.get("parameters", {})) for one in offered]
        form = (body.get("response_format") or {}).get("json_schema") or {}
        return Asked(tuple(said), frozenset(called), result, tuple(tools), form.get("schema"), bool(body.get("stream")))

    def stream(self, answer: Answer) -> Iterator[str]:
        """See `Dialect`."""
        fixed = {"id": _id("chatcmpl"), "object": "chat.completion.chunk", "created": 0, "model": "fake"}

        def chunk(delta: JSON, why: str | None = None) -> str:
            return _event({**fixed, "choices": [{"index": 0, "delta": delta, "finish_reason": why}]}, is_named=False)

        yield chunk({"role": "assistant", "content": ""})
        if answer.thought:
            yield chunk({"reasoning_content": answer.thought})
        for piece in answer.pieces:
            yield chunk({"content": piece})
        if answer.call is not None:
            yield chunk({"tool_calls": [self._call(answer.call)]})
        yield chunk({}, "stop" if answer.call is None else "tool_calls")
        usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
        yield _event({**fixed, "choices": [], "usage": usage}, is_named=False)
        yield "data: [DONE]\n\n"

    def whole(self, answer: Answer) -> JSON:
        """See `Dialect`."""
        message: JSON = {"role": "assistant", "content": answer.text}
        if answer.call is not None:
            message = {"role": "assistant", "content": None, "tool_calls": [self._call(answer.call)]}
        choice = {"index": 0, "message": message, "finish_reason": "stop" if answer.call is None else "tool_calls"}
        usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
        return {"id": _id("chatcmpl"), "object": "chat.completion", "created": 0, "choices": [choice], "usage": usage}

    def _call(self, call: tuple[str, JSON | str]) -> JSON:
        function = {"name": call[0], "arguments": json.dumps(call[1])}
        return {"index": 0, "id": _id("call"), "type": "function", "function": function}


class Gemini(Dialect):
    """Google's."""

    def read(self, path: str, body: JSON) -> Asked:
        """See `Dialect`."""
        said: list[str] = []
        called: set[str] = set()
        result = None
        for content in body.get("contents", []):
            called |= {part["functionCall"]["name"] for part in content["parts"] if "functionCall" in part}
            result = None
            if content.get("role", "user") == "user":
                results = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
                result = json.dumps([one.get("response") for one in results]) if results else None
                said += [part["text"] for part in content["parts"] if "text" in part]
        offered = [one for group in body.get("tools", []) for one in group.get("functionDeclarations", [])]
        tools = [Tool(one["name"], one.get("parametersJsonSchema") or one.get("parameters") or {}) for one in offered]
        config = body.get("generationConfig") or {}
        schema = config.get("responseJsonSchema") or config.get("responseSchema")
        return Asked(tuple(said), frozenset(called), result, tuple(tools), schema, ":stream" in path)

    def stream(self, answer: Answer) -> Iterator[str]:
        """See `Dialect`."""
        if answer.thought:
            yield _event(self._candidate({"text": answer.thought, "thought": True}), is_named=False)
        for piece in answer.pieces:
            yield _event(self._candidate({"text": piece}), is_named=False)
        last = {"text": ""}
        yield _event(self._candidate(self._part(answer) if answer.call else last, "STOP"), is_named=False)

    def whole(self, answer: Answer) -> JSON:
        """See `Dialect`."""
        return self._candidate(self._part(answer), "STOP")

    def error(self, status: int, message: str) -> JSON:
        """See `Dialect`."""
        return {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}

    def _part(self, answer: Answer) -> JSON:
        if answer.call is None:
            return {"text": answer.text}
        return {"functionCall": {"id": _id("call"), "name": answer.call[0], "args": answer.call[1]}}

    def _candidate(self, part: JSON, why: str | None = None) -> JSON:
        candidate: JSON = {"index": 0, "content": {"role": "model", "parts": [part]}}
        if why is not None:
            candidate["finishReason"] = why
        usage = {"promptTokenCount": 10, "candidatesTokenCount": 3, "totalTokenCount": 13}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "fake"}


def dialect_of(path: str) -> Dialect | None:
    """The API that a path belongs to; None = no model is asked there."""
    place = path.partition("?")[0]
    if place.endswith("/messages"):
        return Messages()
    if place.endswith("/responses"):
        return Responses()
    if place.endswith("/chat/completions"):
        return ChatCompletions()
    if place.endswith((":generateContent", ":streamGenerateContent")):
        return Gemini()
    return None


def _blocks(content: object) -> list[JSON]:
    """Content that may be a bare string, as blocks."""
    if isinstance(content, str):
        return [{"type": "text", "text": content, "role": "user", "content": content}]
    assert isinstance(content, list)
    return content


def _text(content: object) -> str:
    """The text of a tool result, in whatever form."""
    if isinstance(content, Sequence) and not isinstance(content, str):
        return "\n".join(_text(part.get("text", "") if isinstance(part, dict) else part) for part in content)
    return content if isinstance(content, str) else json.dumps(content)


def _event(body: JSON, *, is_named: bool = True) -> str:
    name = f"event: {body['type']}\n" if is_named else ""
    return f"{name}data: {json.dumps(body)}\n\n"


def _id(prefix: str) -> str:
    return f"{prefix}_{next(_numbers):06d}"
