"""Makes the keys and secrets of an installation in containers: `python -m deploy.keys DIRECTORY`.

What exists is left as it is: keys that were lost cannot be made again, and what they encrypted is lost with them.
"""

import argparse
import secrets
from pathlib import Path

from services.kit.keys import ensure_secrets, write_once
from services.kit.settings import Settings

PASSWORDS = (
    "postgres_password",
    "segops_database_password",
    "segops_ratelimit_password",
    "segops_warehouse_password",
)
# What an operator may want to put in: empty is not set.
OPTIONAL = (
    "segops_smtp_url",
    "segops_identity_keys",
    "segops_ingestion_keys",
    "segops_connectors_keys",
    "aws_credentials",
    "edge_tls_certificate",
    "edge_tls_key",
)


def make(directory: Path) -> None:
    """Makes what is missing in the directory, which is its owner's alone; whoever a file is given to can read it."""
    ensure_secrets(Settings(secrets_dir=directory))
    for name in PASSWORDS:
        write_once(directory / name, secrets.token_urlsafe(32).encode())
    for name in OPTIONAL:
        write_once(directory / name, b"")
    directory.chmod(0o700)
    for file in directory.iterdir():
        # A container gets single files of it, and runs as another user than the one who made them.
        file.chmod(0o644)


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.keys", description=__doc__)
    parser.add_argument("directory", type=Path, help="where they are kept; made when it does not exist")
    make(parser.parse_args().directory)


if __name__ == "__main__":
    main()
