"""An ACP agent that says what time it is. Its prompts: `whole N GAP_S` and `pieces N GAP_S`.

The first makes N tool calls, whose results are whole events; the second says N pieces of one message. Each holds the
nanoseconds of this machine's monotonic clock at which it was written, as `t123;`. It uses no library, so that it starts
at once and is never what is waited for.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def stamp() -> str:
    """Now, as text."""
    return f"t{time.monotonic_ns()};"


def main() -> None:
    """Speaks ACP over standard input and output until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        match asked.get("method"):
            case "initialize":
                _say(id=asked["id"], result={"protocolVersion": 1, "agentCapabilities": {}})
            case "session/new":
                _say(id=asked["id"], result={"sessionId": "clock"})
            case "session/prompt":
                _turn("".join(block.get("text", "") for block in asked["params"]["prompt"]))
                _say(id=asked["id"], result={"stopReason": "end_turn"})
            case _:
                continue


def _turn(prompt: str) -> None:
    kind, count, gap_s = prompt.split()
    for number in range(int(count)):
        time.sleep(float(gap_s))
        if kind == "pieces":
            _update(sessionUpdate="agent_message_chunk", content=_text(stamp()))
            continue
        call_id = f"call_{number}"
        _update(sessionUpdate="tool_call", toolCallId=call_id, title="clock", kind="other", status="pending")
        result = {"type": "content", "content": _text(stamp())}
        _update(sessionUpdate="tool_call_update", toolCallId=call_id, status="completed", content=[result])


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _update(**update: Any) -> None:
    _say(method="session/update", params={"sessionId": "clock", "update": update})


def _say(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
