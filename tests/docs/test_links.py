"""Every link of every page leads somewhere, in the checkout as in the site; every page is in a table of contents."""

from urllib.parse import unquote

import pytest

from tests.support.pages import PAGES, ROOT, anchors, links

LISTS = ("docs/index.md", "docs/guide/index.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_anchor_of_a_page_is_there(page: str) -> None:
    broken = []
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        found = target.is_file() and target.is_relative_to(ROOT)
        if found and anchor:
            found = anchor in anchors(str(target.relative_to(ROOT)))
        if not found:
            broken.append(link)
    assert not broken


def test_every_page_for_people_stands_in_a_list_of_pages() -> None:
    listed = {
        str(((ROOT / page).parent / link).resolve().relative_to(ROOT))
        for page in LISTS
        for link in links(page)
        if "://" not in link
    }
    assert {page for page in PAGES if page.startswith("docs/")} - listed == {"docs/index.md"}
