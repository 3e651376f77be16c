"""Details: what is left out stays, null clears, and metadata is patched."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from chalicelib.core.details import Details, DetailsPatch, changed
from chalicelib.core.errors import BadRequest

BEFORE = Details(title="t", metadata={"a": "1", "b": "2"})


@pytest.mark.parametrize(
    ("patch", "after"),
    [
        (DetailsPatch(), BEFORE),
        (DetailsPatch(title="new"), Details(title="new", metadata=BEFORE.metadata)),
        (DetailsPatch(title=None), Details(metadata=BEFORE.metadata)),
        (DetailsPatch(title=""), Details(metadata=BEFORE.metadata)),
        (DetailsPatch(metadata={}), BEFORE),
        (DetailsPatch(metadata={"a": None, "c": "3", "x": None}), Details(title="t", metadata={"b": "2", "c": "3"})),
        (DetailsPatch(metadata=None), Details(title="t")),
        (DetailsPatch(title=UNSET, metadata=UNSET), BEFORE),
    ],
)
def test_a_patch_changes_what_it_names(patch: DetailsPatch, after: Details) -> None:
    assert patch.of(BEFORE) == after


def test_metadata_has_sixteen_pairs_at_most_when_all_is_done() -> None:
    full = Details(metadata={f"k{n}": "v" for n in range(16)})
    assert len(DetailsPatch(metadata={"k0": None, "new": "v"}).of(full).metadata) == 16
    with pytest.raises(BadRequest) as refused:
        DetailsPatch(metadata={"new": "v"}).of(full)
    assert refused.value.field == "metadata"


def test_what_differs_is_named() -> None:
    assert changed(BEFORE, BEFORE) == ()
    assert changed(BEFORE, Details(title="t")) == ("metadata",)
    assert changed(BEFORE, Details()) == ("title", "metadata")
