"""`labtui doctor`: what this machine offers and lacks, and what to do."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from core.cli.health import examine
from core.cli.output import out, out_json
from core.cli.parser import add_json

_SIGNS = {"ok": "✓", "note": "·", "bad": "✗"}


def add(parser: ArgumentParser) -> None:
    add_json(parser)


def run(args: Namespace) -> int:
    findings = examine(args.workspace)
    if args.json:
        out_json({"checks": [asdict(finding) for finding in findings]})
        return 0
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        out(f"{_SIGNS[finding.level]} {finding.name:{width}}  {finding.value}")
        if finding.advice:
            out(f"  {'':{width}}  {finding.advice}")
    return 0
