"""`python -m hippod` is the `hippod` command."""

import sys

from hippod.cli import main

if __name__ == "__main__":
    sys.exit(main())
