"""`python -m polarnet` is the `polarnet` command."""

import sys

from polarnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
