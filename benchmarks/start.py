"""What short commands cost before and besides their work: processor time of the command's own process, as ratios.

    .venv/bin/python -m benchmarks.start [--repeat 9]

The database is open already, held by this program. The lines take turns within each round, so that a busy machine is busy
for all of them; compare ratios and not seconds.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from engine.database.embedded import start_embedded

SERIES = ("SAMPLEUSDT", "-t", "1h", "--exchange", "sample", "--start", "2023-03-01", "--end", "2023-03-31")
GOAL_S = 1.2


def processor_s(arguments: list[str], environment: dict[str, str]) -> float:
    """User and system time of one process that ends by itself."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=9)
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory(prefix="bench-start-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)
        environment = os.environ | {
            "DATABASE_URL": start_embedded(home),
            "BACKTEST_HOME": str(home),
            "BACKTEST_CROSSCHECK": "off",
        }
        command = [sys.executable, "-m", "engine"]
        made = subprocess.run(
            [*command, "run", "-s", *SERIES, "-S", "ema_cross", "--json"],
            env=environment, capture_output=True, check=True,
        )  # fmt: skip
        run_id = json.loads(made.stdout)["runs"][0]["id"]
        subprocess.run([*command, "strategies"], env=environment, stdout=subprocess.DEVNULL, check=True)
        lines = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import numpy": [sys.executable, "-c", "import numpy"],
            "import sqlalchemy, psycopg": [
                sys.executable,
                "-c",
                "import psycopg, sqlalchemy.dialects.postgresql",
            ],
            "strategies": [*command, "strategies"],
            "runs": [*command, "runs"],
            "show": [*command, "show", run_id],
            "status": [*command, "status", *SERIES],
        }
        taken: dict[str, list[float]] = {name: [] for name in lines}
        for _ in range(repeat):
            for name, arguments in lines.items():
                taken[name].append(processor_s(arguments, environment))
    bare = median(taken["python -c pass"])
    print("| | median | best | of python -c pass | goal |\n|---|---|---|---|---|")
    for name, times in taken.items():
        goal = f"{GOAL_S} s" if name in ("strategies", "runs", "show", "status") else ""
        print(
            f"| {name} | {median(times):.2f} s | {min(times):.2f} s | {median(times) / bare:.1f} | {goal} |"
        )


if __name__ == "__main__":
    main()
