"""`python -m multikernel`: the command line, where the script is not on the path."""

import sys

from multikernel.cli import main

if __name__ == "__main__":
    sys.exit(main())
