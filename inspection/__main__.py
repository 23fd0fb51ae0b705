"""`python -m inspection` is the console script `inspection`."""

from inspection.cli import main

if __name__ == "__main__":
    main()
