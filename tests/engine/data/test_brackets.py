"""Leverage brackets: those that ship are as published, a newer list wins, and a broken answer changes nothing."""

import copy
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.bracket_update import PATH, update_brackets
from engine.data.brackets import (
    SHIPPED,
    STORED,
    BracketList,
    Rows,
    brackets_of,
    check_leverage,
    list_of,
    named_in,
    read_brackets,
)
from engine.errors import ExchangeError, InputError
from engine.model.account import Costs
from engine.model.market import Market
from tests.support.fake_brackets import BracketServer, answer_of

# maintenance amounts as they were published beside floors and rates
PUBLISHED: dict[str, list[float]] = {
    "BTCUSDT": [
        0,
        300,
        1500,
        12000,
        132000,
        482000,
        2982000,
        14482000,
        26482000,
        41482000,
        121482000,
        421482000,
    ],
    "ETHUSDT": [
        0,
        300,
        1500,
        12000,
        132000,
        382000,
        2007000,
        9507000,
        17507000,
        27507000,
        80507000,
        280507000,
    ],
    "SOLUSDT": [0, 75, 1475, 11475, 31475, 231475, 2231475, 4231475, 16731475, 66731475],
    "XRPUSDT": [0, 40, 360, 735, 3735, 8735, 58735, 558735, 1058735, 4183735, 16683735],
    "BNBUSDT": [0, 10, 810, 4810, 12310, 87310, 837310, 1587310, 6274810, 25024810],
    "ADAUSDT": [0, 50, 300, 1300, 6300, 56300, 556300, 1056300, 4181300, 16681300],
    "DOGEUSDT": [0, 280, 655, 6280, 16280, 116280, 1116280, 2116280, 8366280, 33366280],
    "BTCUSDC": [0, 50, 2550, 152550, 2152550, 9652550, 17152550, 28402550, 88402550, 288402550],
    "ETHBTC": [0, 0.005, 0.045, 1.045, 3.045, 23.045, 98.045, 148.045, 523.045, 1773.045],
    "1000PEPEUSDT": [0, 70, 1070, 2570, 10070, 85070, 835070, 1335070, 4460070, 11960070],
    "GHSTUSDT": [0, 1250, 5420, 26245, 151245],
    "BOTUSDT": [0, 10000, 60000, 185100, 601600, 2476600],
    "IOTAUSDT": [0, 25, 75, 200, 1450, 7700, 13950, 34800, 118100, 1993100],
    "SANDUSDT": [0, 25, 75, 325, 1155, 4077.5, 16577.5, 35327.5, 97877.5, 472727.5, 2347727.5],
    "AKTUSDT": [0, 25, 75, 700, 3825, 6950, 17375, 59025, 1934025],
    "APTUSDT": [0, 50, 550, 5050, 32550, 282550, 457550, 1457550, 3707550],
    "WMTUSDT": [0, 830, 9180, 109180, 234180, 651180, 2733680, 15233680],
    "NVDLUSDT": [0, 125, 625, 1875, 6045, 26870, 651870],
    "AVAAIUSDT": [0, 100, 600, 2100, 5019, 25844, 650844],
    "HMSTRUSDT": [0, 500, 2000, 4919, 25744, 650744],
    "PIXELUSDT": [0, 25, 275, 1275, 2525, 6695, 27520, 652520],
    "ALTUSDT": [0, 25, 75, 700, 3825, 6950, 17375, 59025, 1934025],
    "MUUUSDT": [0, 1250, 9550, 42950, 292950, 492950, 1118450, 3200950, 15700950],
    "CRWVUSDT": [0, 500, 2160, 10510, 110510, 235510, 652510, 2735010, 15235010],
    "AGPUUSDT": [0, 125, 625, 1875, 6045, 26870, 651870],
}
BTC = Market("binanceusdm", "BTCUSDT", "BTC/USDT:USDT")
SMALL: Rows = [(0.0, 0.01, 20.0), (1000.0, 0.02, 10.0), (50_000.0, 0.05, 2.0)]


def test_the_list_that_ships_is_dated_small_and_names_its_source(tmp_path: Path):
    known = read_brackets(tmp_path)
    assert (known.day, len(known.rows)) == ("2026-09-29", 903)
    assert "Binance" in known.source
    assert len(resources.files("resources").joinpath(SHIPPED).read_bytes()) < 200_000


def test_the_amounts_that_follow_from_the_rates_are_those_that_were_published(tmp_path: Path):
    known = read_brackets(tmp_path)
    assert sum(len(published) for published in PUBLISHED.values()) > 200
    for name, published in PUBLISHED.items():
        found = known.of(name)
        assert found is not None
        assert found.cum.tolist() == pytest.approx(published, rel=1e-9), name


def test_every_table_that_ships_is_continuous_and_allows_less_to_larger_positions(tmp_path: Path):
    known = read_brackets(tmp_path)
    for name in known.rows:
        one = known.of(name)
        assert one is not None
        at = one.floor[1:]
        below, above = at * one.rate[:-1] - one.cum[:-1], at * one.rate[1:] - one.cum[1:]
        assert np.allclose(below, above, rtol=1e-9), name
        assert (np.diff(one.leverage) < 0).all(), name
        assert (one.leverage * one.rate <= 1).all(), name  # else a position would begin liquidated


def test_the_first_and_last_brackets_of_bitcoin(tmp_path: Path):
    found = brackets_of(BTC, tmp_path)
    assert found is not None
    rows = found.to_json()
    assert rows[1] == {"floor": 300_000, "cap": 800_000, "rate": 0.005, "cum": 300, "leverage": 100}
    assert (rows[-1]["cap"], rows[-1]["leverage"]) == (None, 1)
    assert (found.most_leverage(), found.day) == (150, "2026-09-29")


def test_markets_of_other_exchanges_have_none_and_the_sample_market_has_invented_ones(tmp_path: Path):
    for exchange in ("binance", "bybit", "bybitlinear"):
        assert brackets_of(Market(exchange, "BTCUSDT", "BTC/USDT"), tmp_path) is None
    assert brackets_of(Market("binanceusdm", "NOSUCHUSDT", "NOSUCH/USDT:USDT"), tmp_path) is None
    sample = brackets_of(Market("sample", "SAMPLEUSDT", "SAMPLE/USDT:USDT"), tmp_path)
    assert sample is not None
    assert "invented" in sample.source


@pytest.mark.parametrize("spelling", ["BTCUSDT", "btc/usdt", "BTC/USDT:USDT", " btcusdt "])
def test_a_symbol_may_be_spelled_as_everywhere(tmp_path: Path, spelling: str):
    assert named_in(read_brackets(tmp_path), spelling, "binanceusdm") == "BTCUSDT"


def test_a_list_reads_back_as_it_was_written():
    one = BracketList("somewhere", "2026-01-02", {"A": SMALL, "B": SMALL, "C": SMALL[:1]})
    document = one.to_json()
    assert len(document["tables"]) == 2
    assert BracketList.from_json(json.loads(json.dumps(document))).rows == one.rows


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"source": "", "day": "", "tables": [[1]], "symbols": {}}']
)
def test_a_broken_file_of_brackets_is_named_with_what_to_do(tmp_path: Path, text: str):
    (tmp_path / STORED).write_text(text)
    with pytest.raises(
        InputError, match=r"brackets\.json holds no leverage brackets; remove it to use those that ship"
    ):
        read_brackets(tmp_path)


# -- asked of the exchange


@pytest.fixture
def few(tmp_path: Path) -> dict[str, Rows]:
    """A handful of markets, stored as if fetched before."""
    rows = dict(list(read_brackets(tmp_path).rows.items())[:10])
    (tmp_path / STORED).write_text(json.dumps(BracketList("before", "2026-01-01", rows).to_json()))
    return rows


def test_fetched_brackets_win_and_are_dated(tmp_path: Path, bracket_server: BracketServer):
    bracket_server.list(dict(read_brackets(tmp_path).rows) | {"BTCUSDT": SMALL, "NEWUSDT": SMALL})
    found = update_brackets(tmp_path, bracket_server.url)
    assert bracket_server.asked == [PATH]
    again = read_brackets(tmp_path)
    assert (again.day, again.source, again.rows) == (found.day, found.source, found.rows)
    assert again.day > "2026-09-29"
    assert again.source == f"{bracket_server.url.removeprefix('http://')}{PATH}"
    bitcoin = brackets_of(BTC, tmp_path)
    assert bitcoin is not None
    assert (bitcoin.most_leverage(), bitcoin.day) == (20, again.day)
    assert [file.name for file in tmp_path.iterdir()] == [STORED]


def broken(change: Callable[[list[Any]], object]) -> Callable[[dict[str, Rows]], bytes]:
    def made(rows: dict[str, Rows]) -> bytes:
        document = answer_of(copy.deepcopy(rows))
        change(document["data"]["brackets"])
        return json.dumps(document).encode()

    return made


def put(name: str, value: Any) -> Callable[[dict[str, Rows]], bytes]:
    return broken(lambda entries: entries[0]["riskBrackets"][1].update({name: value}))


BAD = {
    "no JSON": (lambda _: b"<html>maintenance</html>", "it is not JSON"),
    "an error": (lambda _: b'{"code": "100001001", "data": null}', "it lists no brackets"),
    "a list": (lambda _: b"[1, 2]", "it lists no brackets"),
    "no symbols": (broken(lambda entries: entries.clear()), "it lists no brackets"),
    "few symbols": (
        broken(lambda entries: entries.__delitem__(slice(4, None))),
        "it lists 4 markets, 10 are known",
    ),
    "one twice": (broken(lambda entries: entries.append(entries[0])), "stands there twice"),
    "no brackets": (broken(lambda entries: entries[0].pop("riskBrackets")), "an entry lacks .*riskBrackets"),
    "no rows": (broken(lambda entries: entries[0]["riskBrackets"].clear()), "must begin at 0"),
    "a text": (broken(lambda entries: entries.insert(0, "BTCUSDT")), "an entry lacks"),
    "a hole": (put("bracketNotionalFloor", 123_456.5), "a hole between two brackets|rise"),
    "a rate of text": (put("bracketMaintenanceMarginRate", "much"), "could not convert"),
    "a rate above 1": (put("bracketMaintenanceMarginRate", 1.5), "maintenance rates between 0 and 1"),
    "a falling rate": (put("bracketMaintenanceMarginRate", 1e-5), "rise"),
    "not a number": (put("bracketNotionalFloor", float("nan")), "must begin at 0"),
    "another amount": (put("cumFastMaintenanceAmount", 7), "amounts do not follow from its rates"),
    "leverage 0": (put("maxOpenPosLeverage", 0), "must begin at 0"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_broken_answer_is_one_line_and_the_old_brackets_are_kept(
    tmp_path: Path, few: dict[str, Rows], bracket_server: BracketServer, kind: str
):
    before = (tmp_path / STORED).read_bytes()
    make, words = BAD[kind]
    bracket_server.answer = (200, make(few))
    with pytest.raises(ExchangeError, match=words) as caught:
        update_brackets(tmp_path, bracket_server.url)
    assert "no list of leverage brackets" in str(caught.value)
    assert str(caught.value).endswith("those known before are kept")
    assert "\n" not in str(caught.value)
    assert (tmp_path / STORED).read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [STORED]


@pytest.mark.parametrize("status", [302, 403, 451, 500])
def test_a_refusal_says_so_and_redirects_are_not_followed(
    tmp_path: Path, bracket_server: BracketServer, status: int
):
    bracket_server.answer = (status, b"no")
    with pytest.raises(ExchangeError, match=rf"refused: HTTP {status}; the brackets known before are kept"):
        update_brackets(tmp_path, bracket_server.url)


def test_a_broken_file_is_mended_by_an_update(tmp_path: Path, bracket_server: BracketServer):
    bracket_server.list({"BTCUSDT": SMALL})
    (tmp_path / STORED).write_text("{")
    update_brackets(tmp_path, bracket_server.url)
    assert read_brackets(tmp_path).rows == {"BTCUSDT": SMALL}


# -- what leverage may be


def test_leverage_is_held_against_the_first_bracket(tmp_path: Path):
    for leverage in (None, 1, 2.5, 150):
        check_leverage(Costs(leverage=leverage), BTC, tmp_path)
    with pytest.raises(
        InputError, match=r"151 is above the most that BTCUSDT on binanceusdm allows, 150 .*2026-09-29"
    ):
        check_leverage(Costs(leverage=151), BTC, tmp_path)


@pytest.mark.parametrize("exchange", ["binanceusdm", "bybitlinear"])
def test_of_an_unknown_symbol_only_leverage_1_is_taken(tmp_path: Path, exchange: str):
    unknown = Market(exchange, "NOSUCHUSDT", "NOSUCH/USDT:USDT")
    check_leverage(Costs(leverage=1), unknown, tmp_path)
    with pytest.raises(
        InputError, match=r"no leverage brackets of NOSUCHUSDT .* leave the leverage out or take 1"
    ):
        check_leverage(Costs(leverage=1.5), unknown, tmp_path)


def test_spot_has_no_margin_at_all(tmp_path: Path):
    spot = Market("binance", "BTCUSDT", "BTC/USDT")
    check_leverage(Costs(), spot, tmp_path)
    with pytest.raises(InputError, match="is spot: it has no margin"):
        check_leverage(Costs(leverage=1), spot, tmp_path)


def test_what_is_known_of_an_exchange_is_the_same_list(tmp_path: Path):
    known = list_of("binanceusdm", tmp_path)
    assert known is not None
    assert known.rows == read_brackets(tmp_path).rows
    assert list_of("bybitlinear", tmp_path) is None
