"""Gives the warehouse an empty directory for temporary files and becomes the warehouse service."""

import os
import shutil
import sys

from services.kit.settings import Settings


def main() -> None:
    """Replaces this process. Raw inserts leave temporary files behind when their process is killed."""
    directory = Settings().home / "warehouse-tmp"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    os.environ["TMPDIR"] = str(directory)
    os.execv(sys.executable, [sys.executable, "-m", "services.warehouse"])


if __name__ == "__main__":
    main()
