"""Builds services/gen from protos/: Python stubs with types, and the descriptor set for Envoy, the edge and buf.

The stubs import each other as `services.gen.segops...`, so that nothing of ours takes the top-level name `segops`,
which belongs to the published client.
"""

import re
import shutil
import sys
from pathlib import Path

from google.api import http_pb2
from grpc_tools import protoc

ROOT = Path(__file__).parent
OUT = ROOT.parent / "services" / "gen"
DESCRIPTORS = OUT / "segops.binpb"


def build() -> None:
    """Rebuilds everything under services/gen. Raises SystemExit with protoc's status when a proto is wrong."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    google_protos = Path(http_pb2.__file__).parents[2]
    well_known = Path(protoc.__file__).parent / "_proto"
    sources = sorted(str(path) for path in ROOT.rglob("*.proto"))
    status = protoc.main(
        [
            "protoc",
            f"-I{ROOT}",
            f"-I{google_protos}",
            f"-I{well_known}",
            f"--python_out={OUT}",
            f"--grpc_python_out={OUT}",
            f"--mypy_out=quiet:{OUT}",
            f"--mypy_grpc_out=quiet:{OUT}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={DESCRIPTORS}",
            *sources,
        ]
    )
    if status:
        sys.exit(status)
    for path in [*OUT.rglob("*.py"), *OUT.rglob("*.pyi")]:
        text = path.read_text()
        text = re.sub(r"^(from|import) segops\.", r"\1 services.gen.segops.", text, flags=re.MULTILINE)
        path.write_text(text)
    for folder in {OUT, *(path.parent for path in OUT.rglob("*.py")), OUT / "segops"}:
        (folder / "__init__.py").touch()


if __name__ == "__main__":
    build()
