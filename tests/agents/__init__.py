"""Real agents, offline: Claude Code, Codex, Gemini CLI and OpenCode through plane and daemon, behind a scripted model."""
