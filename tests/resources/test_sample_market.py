"""The bundled sample market is exactly what its generator makes, and looks like a market."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from resources import sample_market

FOLDER = Path(sample_market.__file__).parent


@pytest.fixture(scope="module")
def generated() -> dict[str, bytes]:
    return sample_market.generate()


@pytest.mark.parametrize("timeframe", ["1h", "1m"])
def test_the_bundled_file_is_what_the_generator_makes(generated: dict[str, bytes], timeframe: str) -> None:
    path = FOLDER / f"sample_{timeframe}.csv.gz"
    assert gzip.decompress(path.read_bytes()) == generated[timeframe]
    assert path.stat().st_size < 700_000


def _table(text: bytes) -> np.ndarray:
    return np.array([line.split(",") for line in text.decode().splitlines()[1:]], dtype=np.float64)


def test_the_hours_of_december_are_its_minutes_put_together(generated: dict[str, bytes]) -> None:
    hours, minutes = _table(generated["1h"]), _table(generated["1m"])
    december = hours[hours[:, 0] >= minutes[0, 0]]
    belongs = minutes[:, 0] // 3_600_000
    for hour in december:
        inside = minutes[belongs == hour[0] // 3_600_000]
        assert hour[1:].tolist() == [
            inside[0, 1], inside[:, 2].max(), inside[:, 3].min(), inside[-1, 4], inside[:, 5].sum(),
        ]  # fmt: skip


def test_candles_are_possible_and_prices_lie_on_ticks(generated: dict[str, bytes]) -> None:
    for text in generated.values():
        _, open_, high, low, close, volume = _table(text).T
        assert (low <= np.minimum(open_, close)).all()
        assert (high >= np.maximum(open_, close)).all()
        assert low.min() > 10
        assert high.max() < 2000
        assert volume.min() >= 0
        assert np.median(volume) > 100


def test_maintenance_leaves_five_hours_and_thirty_three_minutes_out(generated: dict[str, bytes]) -> None:
    hours, minutes = _table(generated["1h"])[:, 0], _table(generated["1m"])[:, 0]
    assert len(hours) == 731 * 24 - 5
    assert len(minutes) == 31 * 1440 - 33
    assert np.diff(hours).max() == 6 * 3_600_000
    assert np.diff(minutes).max() == 34 * 60_000


def test_the_market_trends_crashes_and_ranges(generated: dict[str, bytes]) -> None:
    hours = _table(generated["1h"])

    def change(start: str, end: str) -> float:
        first, last = np.searchsorted(
            hours[:, 0], [np.datetime64(t, "ms").astype(np.int64) for t in (start, end)]
        )
        return float(hours[last - 1, 4] / hours[first, 1] - 1)

    assert change("2023-03-01", "2023-07-10") > 0.2
    assert change("2023-07-10", "2023-07-14") < -0.1
    assert abs(change("2023-07-14", "2023-10-15")) < 0.3
    assert change("2024-08-02", "2024-08-05") < -0.1
