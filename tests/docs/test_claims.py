"""What the pages claim is there: every rule and every requirement names its tests, and every named one exists."""

import re

import pytest

from tests.support.pages import PAGES, ROOT, named_tests, rows


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / page).read_text(encoding="utf-8")))
    assert named <= named_tests()


def test_every_rule_names_a_test() -> None:
    found = rows("docs/rules.md", 2)
    assert len(found) > 60
    assert [rule for rule, tests in found if not re.fullmatch(r"(`test_\w+` ?)+", tests)] == []


def test_every_line_of_the_requirements_names_where_it_lives_and_a_test() -> None:
    found = rows("docs/requirements.md", 3)
    differences = rows("docs/requirements.md", 3, under="Otherwise than asked")
    assert len(found) - len(differences) > 30
    for asked, places, tests in found[: -len(differences)]:
        assert re.fullmatch(r"(`test_\w+` ?)+", tests), asked
        named = re.findall(r"`([^`]+)`", places)
        assert named, asked
        assert [place for place in named if not (ROOT / place).is_file()] == [], asked


@pytest.mark.parametrize("page", PAGES)
def test_a_table_of_times_and_sizes_says_which_command_made_it(page: str) -> None:
    for section in re.split(r"^##? ", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE):
        tables = "\n".join(re.findall(r"^\|.*\|$", section, re.MULTILINE))
        if len(re.findall(r"\| \**[\d,.]+ (?:s|ms|us|MB)\b", tables)) > 2:
            assert re.search(r"benchmarks\.\w+|pytest tests/\S+|docker \w+|by hand", section), section[:60]
