"""The entry of the `backtest` command and of `python -m engine`."""


def main() -> None:
    """Run the command line."""
    from engine.cli import run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
