"""The pages that are made from the program say what the program says now."""

import pytest

from engine.model.metric_definitions import DEFINITIONS, SUMMARY
from tests.support.pages import rows
from tools.references import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_made_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "make docs writes it anew"


def test_every_metric_has_its_row_with_its_definition() -> None:
    told = {row[0].strip("`"): row for row in rows("docs/metrics.md", 5)}
    assert list(told) == list(DEFINITIONS)
    assert {name for name, row in told.items() if row[4] == "yes"} == set(SUMMARY)
    assert all(DEFINITIONS[name].definition == row[3] for name, row in told.items())
