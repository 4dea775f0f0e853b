"""What texts may not hold, wherever they come in."""

import re

# C0, DEL and C1.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
