"""The build refuses a proto that leaves open who may call an RPC."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from protos.build import DESCRIPTORS, ROOT, without_access

OPEN = """
syntax = "proto3";
package segops.open.v1;
service OpenService {
  rpc Peek(Empty) returns (Empty) {}
}
message Empty {}
"""


def test_every_rpc_of_ours_says_who_may_call_it() -> None:
    assert without_access(DESCRIPTORS.read_bytes()) == []


def test_an_rpc_that_does_not_say_it_fails_the_build_by_name_and_keeps_what_was_built(tmp_path: Path) -> None:
    protos, built = tmp_path / "protos", tmp_path / "services" / "gen"
    (protos / "segops" / "open" / "v1").mkdir(parents=True)
    built.mkdir(parents=True)
    (built / "before").touch()
    shutil.copy(ROOT / "build.py", protos)
    shutil.copytree(ROOT / "segops" / "options", protos / "segops" / "options")
    (protos / "segops" / "open" / "v1" / "open.proto").write_text(OPEN)
    # protoc finds its plugins beside the interpreter, as in `make gen`.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        [sys.executable, protos / "build.py"],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "segops.open.v1.OpenService.Peek declares no access" in run.stderr
    assert (built / "before").exists()
