"""The errors of the plane. ``code`` is stable snake_case and part of the API; the sentence says what to do next.

    MooringError
    ├── BadRequest        400  the request can't be read as what it should be
    ├── Unauthorized      401  no principal
    ├── Forbidden         403  a principal that may not do this
    ├── NotFound          404  absent, or another tenant's: the answer is the same
    ├── Conflicting       409  the state does not allow it now
    ├── TooLarge          413  over a size limit
    ├── Unprocessable     422  the same idempotency key with another body
    ├── TooMany           429  over a limit of number or rate
    └── Busy              503  too many writers at once; try again
        └── IllegalTransition is not among them: it is a bug of ours (500) and changes nothing

A refusal that is part of a machine's job is a value (``Refused``), which the actors turn into one of these.
"""

from __future__ import annotations

from msgspec import Struct


class MooringError(Exception):
    """Base of every error that a caller may see.

    Attributes:
        code: stable snake_case word.
        message: one sentence for a person; holds no secret and no fact of another tenant.
        status: the HTTP status it maps to.
        field: path of the offending field, or None.
        retry_after_s: seconds after which trying again by itself makes sense, or None.
    """

    status = 500
    kind = "api_error"

    def __init__(self, code: str, message: str, *, field: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class BadRequest(MooringError):
    """The request can't be read as what it should be."""

    status = 400
    kind = "invalid_request_error"


class Unauthorized(MooringError):
    """Nobody known is asking."""

    status = 401
    kind = "authentication_error"


class Forbidden(MooringError):
    """Somebody known asks for what they may not have."""

    status = 403
    kind = "permission_error"


class NotFound(MooringError):
    """Absent, or another tenant's: the answer is the same."""

    status = 404
    kind = "not_found_error"


class Conflicting(MooringError):
    """The state does not allow it now."""

    status = 409
    kind = "invalid_request_error"


class TooLarge(MooringError):
    """Over a size limit."""

    status = 413
    kind = "invalid_request_error"


class Unprocessable(MooringError):
    """Understood and contradictory, such as an idempotency key used again with another body."""

    status = 422
    kind = "invalid_request_error"


class TooMany(MooringError):
    """Over a limit of number or rate."""

    status = 429
    kind = "rate_limit_error"


class Busy(MooringError):
    """Too many writers at once; nothing was changed."""

    status = 503
    kind = "overloaded_error"


class IllegalTransition(RuntimeError):
    """A machine was given an input that its state can't take: a bug of ours. Nothing changes."""


class Refused(Struct, frozen=True):
    """A machine's refusal: ``code`` as in ``REFUSALS``, and the sentence."""

    code: str
    message: str


REFUSALS: dict[str, type[MooringError]] = {
    "session_not_found": NotFound,
    "queue_full": TooMany,
    "no_such_question": NotFound,
    "already_answered": Conflicting,
    "session_archived": Conflicting,
    "session_running": Conflicting,
    "idempotency_key_reused": Unprocessable,
}
"""Which error each refusal of a machine becomes at the border."""


def raise_refusal(refused: Refused) -> None:
    """Raises the error that a machine's refusal stands for."""
    retry = 5 if refused.code == "queue_full" else None
    raise REFUSALS[refused.code](refused.code, refused.message, retry_after_s=retry)
