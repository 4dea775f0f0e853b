"""Entry point of segopsctl and of `python -m cli`."""

from cli.app import app


def main() -> None:
    """Runs the command line."""
    app()


if __name__ == "__main__":
    main()
