"""`python -m fdyno`: the command `fdyno`."""

import sys

from fdyno_command import main

sys.exit(main())
