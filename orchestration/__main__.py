"""`python -m orchestration` is the command `etl`."""

from orchestration.cli import main

if __name__ == "__main__":
    main()
