"""The `backtest` command's entry. Imports nothing at the top: spawned workers load this module again."""


def main() -> None:
    """Run the command line."""
    from engine.cli import run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
