"""The entry of the `backtest` command and of `python -m engine`."""

import gc


def main() -> None:
    """Run the command line."""
    # while libraries are imported their objects are looked through again and again: a fifth of what `status` takes
    gc.set_threshold(100_000)
    try:
        from engine.cli import run_command_line

        run_command_line()
    except KeyboardInterrupt:  # also while modules are still being imported
        import sys

        if sys.stderr is not None:
            sys.stderr.write("error: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
