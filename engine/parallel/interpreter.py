"""Starts a fresh Python that holds one end of a pipe, with an environment free of secrets; and what it does first there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any, Final

_NICENESS: Final = 5  # the window and the database come first
_SECRET: Final = re.compile(
    r"DATABASE_URL|^PG|PASSW|SECRET|TOKEN|API_?KEY|CREDENTIAL|PRIVATE|_AUTH|COOKIE", re.IGNORECASE
)
_LOGIN_IN_URL: Final = re.compile(r"://[^/@\s]+@")
_SETTINGS: Final = {
    # one thread each: figures must not depend on how many cores share a sum
    **dict.fromkeys(
        (
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "BLIS_NUM_THREADS",
            "VECLIB_MAXIMUM_THREADS",
            "NUMEXPR_NUM_THREADS",
            "NUMBA_NUM_THREADS",
        ),
        "1",
    ),
    "PYTHONHASHSEED": "0",  # nor on the order of a set
    "TQDM_DISABLE": "1",
}


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The program's environment without what looks like a secret, with single-threaded libraries."""
    kept = {
        name: value
        for name, value in environment.items()
        if not _SECRET.search(name) and not _LOGIN_IN_URL.search(value)
    }
    return kept | _SETTINGS


def start_interpreter(
    code: str, handle: int, errors: Any, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start Python with `code`, which finds the pipe's end `handle` open. `errors`: where its standard error goes.

    Unlike multiprocessing's own spawn it never runs the program's main module again, and its environment is free of secrets
    from its first instruction. Its standard input tells when this program has ended.
    """
    paths = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 - entries may be archives, or not exist
    inheritance: dict[str, Any]
    if sys.platform == "win32":
        os.set_handle_inheritable(handle, True)
        startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
        inheritance = {"startupinfo": startup, "creationflags": subprocess.CREATE_NO_WINDOW}
    else:
        inheritance = {"pass_fds": (handle,), "start_new_session": True}
    return subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-c", f"import sys; sys.path[:] = {paths!r}; {code}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        env=worker_environment(environment),
        **inheritance,
    )


# -- in the process that was started


def connection_of(handle: int) -> Connection[Any, Any]:
    """The end of a pipe that this process inherited."""
    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection

        return PipeConnection(handle)
    return Connection(handle)


def silence_streams() -> None:
    """What strategies print goes nowhere, also from native code."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    os.close(null)
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        stream = open(descriptor, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def give_way() -> None:
    """Have this process and all that it starts come behind window and database."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


def limit_memory(memory_mb: int) -> None:
    """Keep this process and those that it forks within so much memory each (Linux)."""
    if sys.platform == "linux":
        import resource

        # the heap and private mappings; unlike RLIMIT_AS not the mapped candles, thread stacks and libraries
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
