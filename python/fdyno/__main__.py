"""`python -m fdyno`: the command `fdyno`."""

import sys

from ._cli import main

sys.exit(main())
