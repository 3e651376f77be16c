"""Parsing: what a body, a query and headers may be, and the field that a refusal names."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, field

from chalicelib.core.errors import BadRequest, MooringError, TooLarge
from chalicelib.core.parsing import MAX_QUERY_CHARS, event_id_of, parse, parse_headers, parse_query


class Body(Struct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1)]
    inner: dict[str, Any] = field(default_factory=dict)


class Query(Struct, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    page: str | None = None
    archived: bool = False
    order: Literal["asc", "desc"] = "asc"
    types: tuple[str, ...] = ()
    since: datetime | None = field(name="created_at[gte]", default=None)


class Headers(Struct, frozen=True):
    key: Annotated[str, Meta(max_length=3)] | None = field(name="idempotency-key", default=None)


@pytest.mark.parametrize(
    ("raw", "code", "where"),
    [
        (b"", "not_json", None),
        (b"{", "not_json", None),
        (b'{"name":"\xff"}', "not_json", None),
        ('{"name":"\ud800"}', "not_json", None),
        (b"[]", "bad_request", None),
        (b"{}", "bad_request", "name"),
        (b'{"name":""}', "bad_request", "name"),
        (b'{"name":7}', "bad_request", "name"),
        (b'{"name":"a\\u0000b"}', "bad_text", "name"),
        (b'{"name":"a","inner":{"x":["\\u0000"]}}', "bad_text", "inner.x[0]"),
        (b'{"name":"a","inner":{"\\u0000":1}}', "bad_text", "inner"),
        (b'{"name":"a","inner":' + b'{"x":' * 5000 + b"1" + b"}" * 5001, "not_json", None),
    ],
)
def test_a_body_that_is_not_what_it_should_be_is_refused_with_its_field(
    raw: bytes | str, code: str, where: str | None
) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(raw, Body)
    assert (refused.value.code, refused.value.field) == (code, where)


def test_a_body_over_its_size_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        parse(b"{" * 11, Body, max_bytes=10)


def test_a_refusal_within_a_part_of_the_body_names_the_whole_path() -> None:
    with pytest.raises(BadRequest) as refused:
        parse(b'{"name":7}', Body, at="events[3]")
    assert refused.value.field == "events[3].name"


def test_a_query_is_read_in_every_form_that_sdks_write() -> None:
    given = {
        "limit": ["5"],
        "page": [""],
        "archived": ["true"],
        "types[]": ["a", "b"],
        "types": ["c,d"],
        "created_at[gte]": ["2026-11-21T03:35:46Z"],
        "beta": ["true"],
    }
    found = parse_query(given, Query)
    assert (found.limit, found.page, found.archived, found.types) == (5, None, True, ("a", "b", "c", "d"))
    assert found.since is not None
    assert found.since.year == 2026
    assert parse_query({}, Query) == Query()


@pytest.mark.parametrize(
    ("given", "code", "where"),
    [
        ({"limit": ["0"]}, "bad_request", "limit"),
        ({"limit": ["x"]}, "bad_request", "limit"),
        ({"limit": ["9" * 400]}, "bad_request", "limit"),
        ({"order": ["up"]}, "bad_request", "order"),
        ({"page": ["p" * (MAX_QUERY_CHARS + 1)]}, "bad_request", "page"),
        ({"created_at[gte]": ["yesterday"]}, "bad_request", "created_at[gte]"),
        ({"created_at[gte]": [""]}, "bad_request", "created_at[gte]"),
        ({"archived": [""]}, "bad_request", "archived"),
        ({"created_at[gte]": ["null"]}, "bad_request", "created_at[gte]"),
        ({"created_at[gte]": ["0.5"]}, "bad_request", "created_at[gte]"),
        ({"created_at[gte]": ["1790000000"]}, "bad_request", "created_at[gte]"),
        ({"created_at[gt]": ["2026-11-21T03:35:46Z"]}, "unsupported_filter", "created_at[gt]"),
        ({"limits": ["5"]}, "unsupported_filter", "limits"),
    ],
)
def test_a_query_that_would_be_misread_is_refused(given: dict[str, list[str]], code: str, where: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_query(given, Query)
    assert (refused.value.code, refused.value.field) == (code, where)


def test_a_header_that_matters_is_checked_and_others_are_nobodys_business() -> None:
    assert parse_headers({"idempotency-key": "abc", "x-other": "y"}, Headers) == Headers("abc")
    assert parse_headers({}, Headers) == Headers()
    with pytest.raises(BadRequest) as refused:
        parse_headers({"idempotency-key": "abcd"}, Headers)
    assert (refused.value.code, refused.value.field) == ("bad_header", "idempotency-key")


@pytest.mark.parametrize("text", ["sevt_", "sevt_a b", "evt_1", "sevt_" + "a" * 129, "sevt_a\n"])
def test_an_event_id_that_can_not_be_a_key_is_refused(text: str) -> None:
    with pytest.raises(MooringError):
        event_id_of(text)


def test_an_event_id_is_taken_as_it_is() -> None:
    assert event_id_of("sevt_aZ_-9") == "sevt_aZ_-9"
