"""Builds services/gen from protos/: Python stubs with types, and the descriptor set for Envoy, the edge and buf.

The stubs import each other as `services.gen.segops...`, so that nothing of ours takes the top-level name `segops`,
which belongs to the published client.
"""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

from google.api import http_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass
from grpc_tools import protoc

ROOT = Path(__file__).parent
OUT = ROOT.parent / "services" / "gen"
DESCRIPTORS = OUT / "segops.binpb"


def build() -> None:
    """Rebuilds everything under services/gen.

    Raises SystemExit when a proto is wrong, or leaves open who may call an RPC; what was built before stays then.
    """
    # Beside the stubs in use, which whoever runs meanwhile still reads.
    new = OUT.with_name("gen.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    google_protos = Path(http_pb2.__file__).parents[2]
    well_known = Path(protoc.__file__).parent / "_proto"
    sources = sorted(str(path) for path in ROOT.rglob("*.proto"))
    status = protoc.main(
        [
            "protoc",
            f"-I{ROOT}",
            f"-I{google_protos}",
            f"-I{well_known}",
            f"--python_out={new}",
            f"--grpc_python_out={new}",
            f"--mypy_out=quiet:{new}",
            f"--mypy_grpc_out=quiet:{new}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={new / DESCRIPTORS.name}",
            *sources,
        ]
    )
    if status:
        sys.exit(status)
    if undeclared := without_access((new / DESCRIPTORS.name).read_bytes()):
        sys.exit("\n".join(f"{name} declares no access: add option (segops.options.v1.access)" for name in undeclared))
    for path in [*new.rglob("*.py"), *new.rglob("*.pyi")]:
        text = path.read_text()
        text = re.sub(r"^(from|import) segops\.", r"\1 services.gen.segops.", text, flags=re.MULTILINE)
        path.write_text(text)
    for folder in {new, *(path.parent for path in new.rglob("*.py")), new / "segops"}:
        (folder / "__init__.py").touch()
    shutil.rmtree(OUT, ignore_errors=True)
    new.rename(OUT)


def without_access(descriptors: bytes) -> list[str]:
    """Full names of the RPCs in a descriptor set that do not say who may call them."""
    files = FileDescriptorSet.FromString(descriptors).file
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)
    # The stubs of the option are being built: its class is made of the set itself.
    access = pool.FindExtensionByName("segops.options.v1.access")
    options: Any = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.MethodOptions"))
    return [
        f"{file.package}.{service.name}.{method.name}"
        for file in files
        for service in file.service
        for method in service.method
        if not options.FromString(method.options.SerializeToString()).Extensions[access]
    ]


if __name__ == "__main__":
    build()
