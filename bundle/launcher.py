"""The program inside the bundle. Workers and the window are started as `python -c CODE` and `python -m MODULE`: here the
bundle itself is that Python. Without arguments it opens the window.
"""

import os
import runpy
import sys
from collections.abc import Sequence


def restore_environment() -> None:
    """Have other programs (an editor, PostgreSQL) find their own libraries and not the bundle's; and numba the kernels
    here, which serve every processor of this kind.
    """
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    os.environ.pop("LD_LIBRARY_PATH", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before
    os.environ.setdefault("NUMBA_CPU_NAME", "generic")


def main(arguments: Sequence[str]) -> None:
    """Do what Python would do with these arguments, or what `backtest` would."""
    if arguments[:1] == ["-c"] and len(arguments) > 1:
        sys.argv = ["-c", *arguments[2:]]
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - from our own program
    elif arguments[:1] == ["-m"] and len(arguments) > 1:
        sys.argv = list(arguments[1:])
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        from engine.__main__ import main as command_line

        sys.argv = ["backtest", *(arguments or ["desktop"])]
        command_line()


if __name__ == "__main__":
    restore_environment()
    main(sys.argv[1:])
