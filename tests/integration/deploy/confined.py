"""Runs a program that can write only where its container could: `confined.py DIRECTORY... -- PROGRAM ARGUMENTS`.

By Linux's Landlock, which needs no privileges. A kernel without it (before 5.13) runs the program as it is.
"""

import ctypes
import os
import sys
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
SET_NO_NEW_PRIVS = 38
PATH_BENEATH = 1
# Files that exist; and with directories: all else that changes something, but for renames between directories, which a
# rule always allows where it allows the rest.
WRITE_FILE, TRUNCATE, REFER = 1 << 1, 1 << 14, 1 << 13
FILES = WRITE_FILE | TRUNCATE
ALL = FILES | REFER | sum(1 << bit for bit in range(4, 13))
# A container has these of its own.
DEVICES, SHARED_MEMORY = ("/dev", "/proc"), "/dev/shm"

libc = ctypes.CDLL(None, use_errno=True)


class Ruleset(ctypes.Structure):
    """What is forbidden unless a rule allows it."""

    _fields_ = (("handled", ctypes.c_uint64),)


class Beneath(ctypes.Structure):
    """What is allowed in a directory."""

    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("directory", ctypes.c_int32))


def confine(writable: list[str]) -> None:
    """From here on this process and its children write nowhere else, and gain no privileges."""
    handled = Ruleset(ALL)
    rules = libc.syscall(CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    if rules < 0:
        return
    for path, allowed in [*((path, ALL) for path in (*writable, SHARED_MEMORY)), *((path, FILES) for path in DEVICES)]:
        beneath = Beneath(allowed, os.open(path, os.O_PATH))
        _check(libc.syscall(ADD_RULE, rules, PATH_BENEATH, ctypes.byref(beneath), 0))
    _check(libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(libc.syscall(RESTRICT_SELF, rules, 0))


def _check(status: int) -> None:
    if status < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    at = sys.argv.index("--")
    confine([path for path in sys.argv[1:at] if Path(path).is_dir()])
    os.execvp(sys.argv[at + 1], sys.argv[at + 1 :])
