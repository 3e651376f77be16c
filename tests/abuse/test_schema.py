"""The API against its own OpenAPI document: what it promises to take it takes, what it answers it has promised.

Schemathesis makes requests from the document, good and bad ones, and checks every answer: no 5xx, the status, the
content type and the shape that the document says, nothing taken that the document forbids.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.generation.meta import CoverageScenario
from schemathesis.specs.openapi import checks

from app import app
from chalicelib import wiring
from infra.local.connections import ConnectionTable
from infra.local.functions import FunctionPool, PlaneFunctions
from infra.local.http import HTTPGateway
from infra.local.limits import Limits
from tests.knocking import World

EXAMPLES = 40

SHAPE: Final = ("bad_request", "not_json", "bad_header")
"""Codes that speak of a request's shape. Others speak of its sense, of which a schema knows nothing."""

OPAQUE: Final = ("events[", "initial_events[")
"""Parts of bodies of which the document says nothing: an event's type tells what else is in it."""

EXCLUDED: Final = [
    checks.ignored_auth,  # test_strangers.py asks every route by every secret.
    checks.positive_data_acceptance,  # What is in order may still make no sense; see SHAPE.
]


LIMITS = Limits()

functions = PlaneFunctions(app, connections_url="http://127.0.0.1:9", timeout_s=LIMITS.integration_s)
pool = FunctionPool(2, LIMITS.integration_s, "schema")
gateway = HTTPGateway(functions, pool, ConnectionTable(), LIMITS, stream=None, owns=lambda _method, _path: False)
schema = schemathesis.openapi.from_asgi("/openapi.json", gateway)


@pytest.fixture(scope="module")
def secret() -> Iterator[str]:
    """The key of a team, over a plane that lives as long as this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_REGION", "eu-central-1")
        yield World().tenant().secret
        wiring.reset()


def not_for(case: schemathesis.Case[Any]) -> list[Any]:
    """Checks that make no sense of a case: one that was made good may be taken for bad when it is looked at again."""
    made = getattr(case.meta.phase.data, "scenario", None) if case.meta is not None else None
    return [checks.negative_data_rejection] if made is CoverageScenario.DEFAULT_POSITIVE_TEST else []


def has_point(value: Any) -> bool:
    """Whether a whole number is written with a point in it: to a schema 3.0 is an integer, and nobody writes one so."""
    if isinstance(value, dict):
        return any(map(has_point, value.values()))
    if isinstance(value, list):
        return any(map(has_point, value))
    return isinstance(value, float) and value.is_integer()


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_api_keeps_what_its_document_says(case: schemathesis.Case[Any], secret: str) -> None:
    """Catches a document that is looser or stricter than the parser, and an answer of another shape."""
    answer = case.call(headers={"authorization": f"Bearer {secret}"})
    case.validate_response(answer, excluded_checks=[*EXCLUDED, *not_for(case)])
    is_good = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if answer.status_code == 400 and is_good and not (has_point(case.body) or has_point(case.query)):
        error = answer.json()["error"]
        # A refusal that names no field is of how several go together, of which a schema knows nothing either.
        is_of_shape = error["code"] in SHAPE and error["param"] is not None
        assert not is_of_shape or error["param"].startswith(OPAQUE), answer.text
