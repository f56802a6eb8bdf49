"""Protections as they are typed, and as they are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.model.account import PROTECTIONS, Costs, Protections

ALL = PROTECTIONS.split(", ")


def test_all_of_them_as_the_help_spells_them():
    found = Protections.parse(ALL)
    assert found == Protections(0.03, 0.2, 6, 4, (8, 20), (3, 24))
    assert found.texts() == ALL


def test_a_bare_number_is_a_fraction_and_blanks_do_not_matter():
    assert Protections.parse([" daily-loss = 0.03 "]) == Protections(daily_loss=0.03)
    assert Protections.parse([]) == Protections()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("daily-loss", "a protection must read daily-loss=3%, .*after-losses=3:24, not 'daily-loss'"),
        ("stop=3", "a protection must read daily-loss=3%"),
        ("daily-loss=", "must read as daily-loss=3%, not 'daily-loss='"),
        ("daily-loss=x%", "must read as daily-loss=3%"),
        ("daily-loss=3", "daily-loss must be above 0 and below 1, not 3"),
        ("daily-loss=0%", "daily-loss must be above 0"),
        ("max-drawdown=100%", "max-drawdown must be above 0 and below 1"),
        ("max-drawdown=nan", "must read as max-drawdown=20%"),
        ("cooldown=0", "cooldown must be whole numbers from 1 on"),
        ("cooldown=1.5", "must read as cooldown=6"),
        ("trades-per-day=-1", "trades-per-day must be whole numbers from 1 on"),
        ("hours=8", "must read as hours=8-20"),
        ("hours=8-8", "two different hours of a day"),
        ("hours=8-25", "two different hours of a day"),
        ("after-losses=3", "must read as after-losses=3:24"),
        ("after-losses=3:0", "after-losses must be whole numbers from 1 on"),
        ("after-losses=3:24:1", "must read as after-losses=3:24"),
    ],
)
def test_a_bad_one_says_what_is_wanted(text: str, words: str):
    with pytest.raises(InputError, match=words):
        Protections.parse([text])


def test_the_same_one_twice_is_refused():
    with pytest.raises(InputError, match="cooldown is given twice"):
        Protections.parse(["cooldown=1", "cooldown=2"])


@pytest.mark.parametrize(
    "document",
    [{"cooldown": "6"}, {"cooldown": 1.5}, {"cooldown": True}, {"hours": [8]}, {"hours": 8}, {"hours": ["8", "20"]},
     {"daily_loss": "3%"}, {"daily_loss": [0.1]}, {"after_losses": [1, 2, 3]}],
)  # fmt: skip
def test_a_document_with_another_kind_of_value_is_refused(document):
    with pytest.raises(InputError, match=r"must be (a number|whole numbers), not"):
        Protections.from_json(document)


@given(
    st.builds(
        Protections,
        daily_loss=st.none() | st.integers(1, 99).map(lambda percent: percent / 100),
        max_drawdown=st.none() | st.integers(1, 999).map(lambda tenths: tenths / 10 / 100),
        cooldown=st.none() | st.integers(1, 10_000),
        trades_per_day=st.none() | st.integers(1, 100),
        hours=st.none() | st.tuples(st.integers(0, 11), st.integers(12, 24)),
        after_losses=st.none() | st.tuples(st.integers(1, 20), st.integers(1, 500)),
    )
)
def test_what_is_told_reads_back_as_the_same(protect: Protections):
    assert Protections.parse(protect.texts()) == protect
    costs = Costs(protect=protect)
    assert Costs.from_json(costs.to_json()) == costs
    assert costs.told() == Costs().to_json() | protect.told()


def test_underscores_are_read_and_a_bad_value_behind_them_is_explained():
    assert Protections.parse(["daily_loss=3%"]) == Protections(daily_loss=0.03)
    with pytest.raises(InputError, match="must read as trades-per-day=4"):
        Protections.parse(["trades_per_day=1.5"])


def test_what_a_database_gives_back_is_what_was_stored():
    costs = Costs(protect=Protections(hours=(8, 20), after_losses=(3, 24)))
    assert costs.to_json()["protect"] == {"hours": [8, 20], "after_losses": [3, 24]}
    assert Costs.from_json(costs.to_json()) == costs
