"""What Lambda does with a zip, as one process: import the handler's module, call it with one event, print its result.

Usage: ``python -I -S invoke.py FOLDER MODULE.FUNCTION EVENT.json``. With these two flags Python sees the standard
library and FOLDER, the unpacked zip, and nothing else: neither the tree the zip was built from nor what is installed.
"""

from __future__ import annotations

import importlib
import json
import sys
from types import SimpleNamespace


def main(folder: str, handler: str, event_file: str) -> None:
    """Call one handler and print what it returns as JSON, which is what Lambda would send on."""
    sys.path.insert(0, folder)
    module_name, function_name = handler.rsplit(".", 1)
    with open(event_file, encoding="utf-8") as file:
        event = json.load(file)
    module = importlib.import_module(module_name)
    context = SimpleNamespace(
        aws_request_id="0a1b2c3d-0000-4000-8000-000000000000",
        function_name=f"mooring-dev-{function_name}",
        function_version="$LATEST",
        invoked_function_arn=f"arn:aws:lambda:eu-central-1:123456789012:function:mooring-dev-{function_name}",
        memory_limit_in_mb=512,
        get_remaining_time_in_millis=lambda: 29_000,
    )
    result = getattr(module, function_name)(event, context)
    origins = sorted({path for loaded in list(sys.modules.values()) if (path := getattr(loaded, "__file__", None))})
    print(json.dumps({"result": result, "origins": origins}))


if __name__ == "__main__":
    main(*sys.argv[1:])
