"""A sweep as a file: every trial, best first, exact."""

import csv
import json
import math
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.reports.sweep_file import write_sweep
from tests.desktop.builders import sweep_of


def test_the_table_has_every_trial_best_first_and_failed_ones_with_their_reason(tmp_path: Path) -> None:
    sweep = sweep_of({"fast": "10:50:20", "slow": "30:60:15"}, errors={2: "=1+1 is no reason"}, failed=1)
    write_sweep(sweep, tmp_path / "new" / "sweep.csv")
    with (tmp_path / "new" / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == sweep.numbers[sweep.order].tolist()
    for row in rows:
        at = int(row["trial"])
        assert (int(row["fast"]), int(row["slow"])) == (sweep.params["fast"][at], sweep.params["slow"][at])
        assert (row["both"], row["kind"]) == ("True", "ema")
        value = float(sweep.objective[at])
        assert row["sharpe"] == ("" if math.isnan(value) else repr(value))
        assert row["error"] == ("'=1+1 is no reason" if at == 2 else "")
    assert rows[-1]["trial"] == "2"


def test_the_document_is_that_of_the_command_line_with_every_trial(tmp_path: Path) -> None:
    sweep = sweep_of({"fast": "10:50:5", "slow": "60:90:10"})
    write_sweep(sweep, tmp_path / "sweep.JSON")
    told = json.loads((tmp_path / "sweep.JSON").read_text())
    assert told["top"] == sweep.to_json(len(sweep))["top"]
    assert len(told["top"]) == len(sweep) > 10


def test_another_ending_or_a_place_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sweep\.txt: the file must end in \.csv or \.json"):
        write_sweep(sweep_of(), tmp_path / "sweep.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="nothing was changed"):
        write_sweep(sweep_of(), tmp_path / "file" / "sweep.csv")
