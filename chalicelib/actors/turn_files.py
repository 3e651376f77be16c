"""Turn files: what a laptop may fetch of a tenant's files, which is what its running turns' messages bring."""

from __future__ import annotations

from ..core.access import RuntimePrincipal
from ..core.files import no_file
from ..wire.events import TextBlock
from ..wire.ids import SessionId, TurnId
from .filing import Content, Filing
from .reading import Reading


class TurnFiles:
    """Gives the files of running turns to their runtimes."""

    def __init__(self, filing: Filing, reading: Reading) -> None:
        self._filing = filing
        self._reading = reading

    def content(
        self, asking: RuntimePrincipal, session_id: SessionId, turn_id: TurnId, file_id: str, *, takes_bytes: bool
    ) -> Content:
        """A file that the turn's message brings; the log says which those are.

        Raises:
            NotFound: ``session_not_found`` (also for another runtime's), ``turn_not_found`` when it is not running,
                ``file_not_found``, also for a file that the turn's message does not bring.
        """
        blocks = self._reading.prompt(asking.tenant_id, session_id, turn_id, asking.runtime_id)
        if file_id not in {block.source.file_id for block in blocks if not isinstance(block, TextBlock)}:
            raise no_file(file_id)
        return self._filing.content(asking.tenant_id, file_id, takes_bytes=takes_bytes)
