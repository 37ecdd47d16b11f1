"""``python -m genomed`` is the same program as ``genomed``."""

from genomed.cli import main

if __name__ == "__main__":
    main()
