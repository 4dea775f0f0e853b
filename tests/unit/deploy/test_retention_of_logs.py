"""Log files on one machine are as large and as many as they are set to be."""

from deploy.local.programs import build_programs
from deploy.local.supervise import MIB, render
from services.kit.settings import Settings


def test_log_files_are_rotated_as_they_are_set() -> None:
    settings = Settings(log_file_mib=7, log_files=2)
    programs = build_programs(settings)
    lines = render(settings, programs).splitlines()
    assert lines.count(f"stdout_logfile_maxbytes={7 * MIB}") == len(programs)
    assert lines.count("stdout_logfile_backups=2") == len(programs)
    assert f"logfile_maxbytes={7 * MIB}" in lines
