"""What jobs of plug-ins do in the tests: ordinary things and every kind of harm."""

import ctypes
import decimal
import gc
import json
import locale
import mmap
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.parallel.isolated import isolated, kept


def echo(payload: Any, report: Any) -> Any:
    return payload


def apart(payload: Any, report: Any) -> Any:
    """Another of these jobs, in a process of its own: where strategies run."""
    with isolated(payload.get("limit_s")) as process:
        return process.call(_named, payload["name"], payload, report=report)


def apart_with_the_same(payload: Any, report: Any) -> Any:
    """As in a sweep: the process of the job before, where that had the same key."""
    return kept(payload["key"], payload.get("leg", "")).call(_named, payload["name"], payload, report=report)


def _named(name: str, payload: Any, report: Any) -> Any:
    return globals()[name](payload, report)


def environment(payload: Any, report: Any) -> Any:
    initial = Path("/proc/self/environ").read_bytes().decode(errors="replace")
    return {"environ": dict(os.environ), "initial": initial}


def modules(payload: Any, report: Any) -> Any:
    return sorted(sys.modules)


def pid(payload: Any, report: Any) -> Any:
    return os.getpid()


def sockets(payload: Any, report: Any) -> Any:
    """The sockets that this process holds open."""
    links = [os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()]
    return sorted(one for one in links if "socket:" in one)


def sleep(payload: Any, report: Any) -> Any:
    report(0.0, 1.0, "asleep")
    time.sleep(payload["seconds"])
    return os.getpid()


def large(payload: Any, report: Any) -> Any:
    values = np.arange(payload["megabytes"] * 131_072, dtype=np.float64)
    values += payload["number"]
    return {"number": payload["number"], "values": values, "nested": [{"few": values[:3].astype(np.int32)}]}


def progress(payload: Any, report: Any) -> Any:
    for number in range(payload["steps"]):
        report(number + 1, payload["steps"], "steps")
        time.sleep(payload["pause_s"])


def touch(payload: Any, report: Any) -> Any:
    Path(payload["path"]).touch()


# -- harm to itself


def exit_7(payload: Any, report: Any) -> Any:
    os._exit(7)


def segfault(payload: Any, report: Any) -> Any:
    ctypes.string_at(0)


def abort(payload: Any, report: Any) -> Any:
    os.abort()


def kill_itself(payload: Any, report: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def endless_loop(payload: Any, report: Any) -> Any:
    while True:
        pass


def endless_loop_in_c(payload: Any, report: Any) -> Any:
    report(0.0, None, "begun")
    ctypes.PyDLL(None).sleep(3600)  # keeps the GIL


def sys_exit(payload: Any, report: Any) -> Any:
    sys.exit(3)


def keyboard_interrupt(payload: Any, report: Any) -> Any:
    raise KeyboardInterrupt


class NeedsTwo(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def exception_of_two_arguments(payload: Any, report: Any) -> Any:
    raise NeedsTwo("first", "second")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def unprintable_exception(payload: Any, report: Any) -> Any:
    raise Unprintable


def endless_recursion(payload: Any, report: Any) -> Any:
    return endless_recursion(payload, report) + 1


def huge_message(payload: Any, report: Any) -> Any:
    raise ValueError("word " * 10_000_000)


def result_with_a_function(payload: Any, report: Any) -> Any:
    return {"inner": [lambda: 1]}


def result_with_objects(payload: Any, report: Any) -> Any:
    return np.array([object()])


def result_without_end(payload: Any, report: Any) -> Any:
    result: list[Any] = []
    result.append(result)
    return result


def exhaust_memory(payload: Any, report: Any) -> Any:
    held = [np.ones(16 << 17) for _ in range(100_000)]
    return len(held)


def exhaust_shared_memory(payload: Any, report: Any) -> Any:
    held = mmap.mmap(-1, 600 << 20)
    for start in range(0, len(held), 4096):
        held[start] = 1
    time.sleep(60)


def exhaust_memory_aloud(payload: Any, report: Any) -> Any:
    """Shared memory, which no limit of the process itself counts."""
    held = mmap.mmap(-1, 900 << 20)
    for start in range(0, len(held), 4096):
        held[start] = 1
    for step in range(200):
        report(step, 200, "steps")
        time.sleep(0.05)


def flood_streams(payload: Any, report: Any) -> Any:
    block = "x" * (1 << 20)
    for _ in range(payload["megabytes"]):
        print(block)
        print(block, file=sys.stderr)
        os.write(1, block.encode())
        os.write(2, block.encode())


def close_pipe(payload: Any, report: Any) -> Any:
    os.closerange(3, 4096)
    time.sleep(60)


# -- harm to the next job


CHANGING = ("PYTEST_CURRENT_TEST", "HOME", "USERPROFILE", "TMPDIR", "TMP", "TEMP")


def state(payload: Any, report: Any) -> Any:
    """All that must be the same at the beginning of every job."""
    print("to nobody", flush=True)
    sys.stderr.write("to nobody")
    return {
        "cwd": Path.cwd() == Path.home(),
        "environ": {name: text for name, text in os.environ.items() if name not in CHANGING},
        "path": list(sys.path),
        "random": random.random(),
        "numpy": float(np.random.rand()),  # noqa: NPY002 - the shared one
        "numpy_errors": np.geterr(),
        "warnings": repr(warnings.filters),
        "locale": locale.setlocale(locale.LC_ALL),
        "time": time.strftime("%H", time.gmtime(0)) + time.strftime("%H", time.localtime(0)),
        "decimal": decimal.getcontext().prec,
        "recursion": sys.getrecursionlimit(),
        "interrupt": repr(signal.getsignal(signal.SIGINT)),
        "alarm": repr(signal.getsignal(signal.SIGALRM)),
        "threads": threading.active_count(),
        "gc": gc.isenabled(),
        "umask": os.umask(0o22),
        "memos": [
            (folder / "memo").exists() for folder in (Path(), Path.home(), Path(tempfile.gettempdir()))
        ],
        "memo": getattr(np, "memo", None),
        "mean": float(pd.Series([1.0, 3.0]).rolling(2).mean().iloc[1]),
        "greater": bool((pd.Series([2.0]) > pd.Series([1.0])).iloc[0]),
        "json": json.dumps({}),
        "hash": hash("text"),
        "plugin": "plugged_in" in sys.modules,
        "sqrt": float(np.sqrt(4.0)),
        "open": [Path(f"/proc/self/fd/{fd}").exists() for fd in (0, 1, 2)],
        "stdin": sys.stdin.read(),
    }


def change_directory(payload: Any, report: Any) -> Any:
    os.chdir("/")


def change_environment(payload: Any, report: Any) -> Any:
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    os.environ["BACKTEST_ODD"] = "1"
    del os.environ["PATH"]


def import_from_a_folder_of_its_own(payload: Any, report: Any) -> Any:
    sys.path.insert(0, payload["folder"])
    import plugged_in  # type: ignore[import-not-found]

    return plugged_in.VALUE


def change_random_state(payload: Any, report: Any) -> Any:
    random.seed(payload["seed"])
    np.random.seed(payload["seed"])  # noqa: NPY002 - the shared one
    random.random()


def change_settings(payload: Any, report: Any) -> Any:
    np.seterr(all="raise")
    warnings.simplefilter("error")
    decimal.getcontext().prec = 3
    sys.setrecursionlimit(10_000)
    gc.disable()
    os.umask(0)
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(9))
    signal.setitimer(signal.ITIMER_REAL, 0.2)


def close_streams(payload: Any, report: Any) -> Any:
    sys.stdout.close()
    sys.stderr.close()
    sys.stdin.close()


def close_descriptors(payload: Any, report: Any) -> Any:
    for fd in (0, 1, 2):
        os.close(fd)


def replace_streams(payload: Any, report: Any) -> Any:
    sys.stdout = sys.stderr = sys.stdin = None


def leave_a_thread(payload: Any, report: Any) -> Any:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


def leave_a_child(payload: Any, report: Any) -> Any:
    child = subprocess.Popen(["sleep", "600"])
    child.returncode = 0  # nobody waits for it
    return child.pid


def patch_numpy(payload: Any, report: Any) -> Any:
    np.sqrt = lambda value: 7.0  # type: ignore[assignment]


def patch_rolling(payload: Any, report: Any) -> Any:
    from pandas.core.window import rolling

    vars(rolling)["Rolling"].mean = lambda self: self.max()


def patch_a_comparison(payload: Any, report: Any) -> Any:
    pd.Series.__gt__ = lambda self, other: pd.Series([False])  # type: ignore[method-assign]


def hide_a_module(payload: Any, report: Any) -> Any:
    sys.modules["json"] = None  # type: ignore[assignment]


def leave_files(payload: Any, report: Any) -> Any:
    for folder in (Path(), Path.home(), Path(tempfile.gettempdir())):
        (folder / "memo").write_text("known")


def remember_on_a_module(payload: Any, report: Any) -> Any:
    np.memo = "known"  # type: ignore[attr-defined]


def leave_a_child_with_a_session_of_its_own(payload: Any, report: Any) -> Any:
    return subprocess.Popen(["sleep", "600"], start_new_session=True).pid


def leave_a_grandchild_of_a_dead_child(payload: Any, report: Any) -> Any:
    """What daemons do: twice forked, with a session of its own, and deaf to polite signals."""
    script = (
        "import os, signal, time\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        f"open({payload['path']!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    while not Path(payload["path"]).exists() or not Path(payload["path"]).read_text():
        time.sleep(0.01)
    if payload.get("stay"):
        report(1.0, None, "begun")
        time.sleep(600)


def patch_builtins(payload: Any, report: Any) -> Any:
    import builtins

    builtins.len = lambda value: 7


def close_everything(payload: Any, report: Any) -> Any:
    os.closerange(3, 4096)


def leave_a_child_running(payload: Any, report: Any) -> Any:
    subprocess.run(["sleep", "600"], check=False)


def note_and_sleep(payload: Any, report: Any) -> Any:
    with Path(payload["path"]).open("a") as file:
        file.write(f"{payload['name']}\n")
    time.sleep(payload["seconds"])
    return payload["name"]


def note_and_kill_parent(payload: Any, report: Any) -> Any:
    """The program whose worker this is goes, as if the system took its memory back."""
    with Path(payload["path"]).open("a") as file:
        file.write("again\n")
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
