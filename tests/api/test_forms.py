"""Forms: parts come out as they were put in, whatever is in them, and what is no form is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import encode_multipart_formdata

from chalicelib.api.forms import MAX_PARTS, Part, parts_of
from chalicelib.core.errors import BadRequest

TYPE = "multipart/form-data; boundary=b"


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_bytes_come_out_as_they_were_put_in(one: bytes, two: bytes) -> None:
    """Catches a line's end that is lost or added."""
    form, content_type = encode_multipart_formdata({"file": ("a.bin", one, "x/y"), "other": ("b", two, "z/z")})
    assert parts_of(content_type, form) == (Part("file", one, "a.bin", "x/y"), Part("other", two, "b", "z/z"))


def test_a_field_has_no_file_name() -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n5\r\n--b--\r\n'
    assert parts_of(TYPE, form) == (Part("n", b"5"),)


def test_bytes_that_look_like_a_border_stay_within_their_part() -> None:
    inner = b"x--b\r\n-b--\r\n--a\r\n--"
    form = b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n' + inner + b"\r\n--b--\r\n"
    assert parts_of(TYPE, form) == (Part("n", inner),)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--b--\r\n"),
        ("multipart/form-data; boundary=", b"--b--\r\n"),
        ('multipart/form-data; boundary="\n"', b"--b--\r\n"),
        (TYPE, b""),
        (TYPE, b"{}"),
        (TYPE, b"--b\r\n\r\nno header\r\n--b--\r\n"),
        (TYPE, b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\nwithout an end'),
        (TYPE, b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n\r\n' * (MAX_PARTS + 1) + b"--b--\r\n"),
        (TYPE, b"--b\r\n" + b"X-A: 1\r\n" * 100 + b"\r\n--b--\r\n"),
        (TYPE, b"--b\r\nX-A: " + b"1" * 100_000 + b"\r\n\r\n--b--\r\n"),
    ],
)
def test_what_is_no_form_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(BadRequest, match="^bad_form: "):
        parts_of(content_type, body)


@given(st.binary(max_size=200))
def test_whatever_comes_is_parts_or_a_refusal(body: bytes) -> None:
    """Catches a parser that breaks (500) on what a stranger sends."""
    for form in (body, b"--b\r\n" + body, b'--b\r\nContent-Disposition: form-data; name="n"\r\n' + body):
        with contextlib.suppress(BadRequest):
            parts_of(TYPE, form)
