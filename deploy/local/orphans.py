"""Ties a process to its parent, so that a parent that is killed leaves nothing behind."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signum: signal.Signals, parent: int) -> None:
    """Has the kernel send `signum` to this process when its parent ends, also after exec; Linux only.

    `parent` is the parent's process id as known beforehand: when it is already gone, this process ends at once.
    The tie does not survive a change of user, and a forked child does not inherit it.
    """
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
