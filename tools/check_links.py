"""Check that links within the project, and paths named in Markdown pages, lead to files and headings that exist."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

CODE = re.compile(r"^```.*?^```\s*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(
    r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s*(\S+)|<img[^>]*\ssrc=\"([^\"]+)\"",
    re.MULTILINE,
)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$", re.MULTILINE)
NAMED = re.compile(r"`((?:src|tests|tools|docs|benchmarks|examples|\.ci|\.github)/[\w.*/-]*)`")
ROOT = Path(__file__).resolve().parents[1]
EXTERNAL = ("http://", "https://", "mailto:")


def anchors(text: str) -> set[str]:
    """The names under which a page's headings can be reached."""
    fences = re.sub(r"^```.*?^```\s*?$", "", text, flags=re.MULTILINE | re.DOTALL)
    names: set[str] = set()
    for heading in HEADING.findall(fences):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        names.add(name if name not in names else f"{name}-{sum(n.startswith(name) for n in names)}")
    return names | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))


def broken(page: Path) -> Iterator[str]:
    """The links of a page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    # Blanks keep the line numbers right.
    prose = CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text)
    for match in LINK.finditer(prose):
        link = next(group for group in match.groups() if group)
        if link.startswith(EXTERNAL):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        line = prose.count("\n", 0, match.start()) + 1
        if not target.exists():
            yield f"{page}:{line}: {link}: there is no file {target}"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8")):
            yield f"{page}:{line}: {link}: {target} has no such heading"
    for match in NAMED.finditer(text):
        if not any(ROOT.glob(match[1].rstrip("/"))):
            yield f"{page}:{text.count(chr(10), 0, match.start()) + 1}: there is no file {match[1]}"


def main(pages: list[str]) -> int:
    """Return 1 if a link is broken."""
    errors = [error for page in pages for error in broken(Path(page))]
    if errors:
        print("\n".join(errors))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
