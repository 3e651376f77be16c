"""The real agents are run only on request (`make test-agents`): they are half a gigabyte each, and slow."""

from __future__ import annotations

import os

collect_ignore = [] if os.environ.get("REAL_AGENTS") else ["test_real_agents.py"]
