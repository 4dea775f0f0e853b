"""Renders Envoy's configuration for this platform and becomes Envoy."""

import os
from pathlib import Path

import envoy

from edge.render import render
from services.kit.settings import Settings

BINARY = Path(envoy.__file__).parent / "_bin" / "envoy"


def main() -> None:
    """Replaces this process by the binary itself: the package's script would leave it behind when killed."""
    settings = Settings()
    config = settings.home / "envoy.yaml"
    render(settings, config)
    # The services are busier than Envoy: it gets half the cores.
    threads = max(1, (os.cpu_count() or 1) // 2)
    options = ["--config-path", str(config), "--concurrency", str(threads), "--log-level", "warning"]
    # Who reads the access log wants to see what happens now; Envoy's default is ten seconds.
    options += ["--file-flush-interval-msec", "1000", "--disable-hot-restart"]
    os.execv(BINARY, ["envoy", *options])


if __name__ == "__main__":
    main()
