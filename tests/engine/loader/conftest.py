"""Workers that describe strategies."""

from collections.abc import Iterator

import pytest

from engine.parallel.pool import WorkerPool


@pytest.fixture(scope="package")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerPool]:
    with WorkerPool(2, tmp_path_factory.mktemp("scratch"), memory_mb=2048) as pool:
        yield pool
