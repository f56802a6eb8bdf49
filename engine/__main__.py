"""The entry of the `backtest` command and of `python -m engine`."""


def main() -> None:
    """Run the command line."""
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
