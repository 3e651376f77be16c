"""Real agents, offline: Claude Code, Codex, Gemini CLI and OpenCode, through plane and daemon to a scripted model.

They are half a gigabyte each, so plain pytest leaves them out. On Linux x86-64 with npm:

    .venv/bin/python -m tests.agents.install
    REAL_AGENTS=1 .venv/bin/pytest tests/agents
"""
