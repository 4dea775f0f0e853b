"""The code in a Markdown file."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block: its language ("" for none), its text, and the line it begins in."""

    language: str
    text: str
    line: int


def blocks(path: Path) -> list[Block]:
    """All fenced blocks of a file, in order."""
    text = path.read_text()
    return [
        Block(language=found[1], text=found[2], line=text.count("\n", 0, found.start()) + 2)
        for found in FENCED.finditer(text)
    ]


def documents() -> list[Path]:
    """All Markdown files for readers of the project."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
