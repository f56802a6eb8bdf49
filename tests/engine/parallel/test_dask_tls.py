"""A cluster with TLS: who has a certificate of its authority is let in, who has none is told in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.local_dask import ENVIRONMENT, LocalDask
from tests.support.plain_process import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
CODE = """
from engine.errors import ClusterError
from engine.parallel.dask_cluster import DaskCluster
from engine.parallel.tasks import ProbeTask, submit
from engine.jobs.parcels import identity, pack
cluster = DaskCluster({address!r}, pack=pack, identity=identity())
try:
    cluster.open()
    print(submit(cluster, ProbeTask(), timeout_s=60).result(60))
except ClusterError as error:
    print(error)
cluster.close()
"""


def certificate(folder: Path) -> dict[str, str]:
    """Dask's variables for one that signs itself, and so is its own authority."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert),
            "-days", "2", "-subj", "/CN=backtest",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = "DASK_DISTRIBUTED__COMM__TLS"
    sides = {f"{tls}__{side}__{what}": str(path) for side in ("SCHEDULER", "WORKER", "CLIENT")
             for what, path in (("CERT", cert), ("KEY", key))}  # fmt: skip
    return {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true", f"{tls}__CA_FILE": str(cert)} | sides


def asked(address: str, environment: dict[str, str]) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", CODE.format(address=address)],
        cwd=ROOT, env=ENVIRONMENT | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return ended.stdout.strip()


def test_only_who_has_a_certificate_of_the_authority_is_let_in(tmp_path: Path):
    mine, others = tmp_path / "mine", tmp_path / "others"
    mine.mkdir()
    others.mkdir()
    tls = certificate(mine)
    dask = LocalDask(tmp_path, tls=tls)
    try:
        assert dask.address.startswith("tls://127.0.0.1:")
        dask.add_worker()
        assert asked(dask.address, tls) == "Done(value=Nothing())"
        assert asked(dask.address, certificate(others)).startswith(
            f"no Dask scheduler answers at {dask.address} ("
        )
        plain = dask.address.replace("tls:", "tcp:")
        assert asked(plain, {}).startswith(f"no Dask scheduler answers at {plain} (")
    finally:
        dask.close()
