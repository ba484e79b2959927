"""As much of a W&B server as its client needs: `with serve() as server`, then WANDB_BASE_URL=server.url.

A run's history is a list of lines; the client says at which offset its lines go, as with the real one.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class ServedRun:
    """What a client has sent of one run."""

    upserts: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_codes: list[int] = field(default_factory=list)
    resuming: bool = False

    def values(self, name: str) -> dict[int, Any]:
        """A metric by step."""
        return {row["_step"]: row[name] for row in self.history if name in row}


class Server:
    """`url` for clients; `runs` by id, filled as they come."""

    def __init__(self, http: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{http.server_address[1]}"
        self.runs: dict[str, ServedRun] = {}
        self.silent_after_start = False
        self.ended = threading.Event()

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        name = variables.get("name") or variables.get("run") or ""
        if operation == "RunResumeStatus":
            if run := self.runs.get(name):
                run.resuming = True
            return {
                "model": {
                    "id": "m",
                    "name": "p",
                    "entity": {"id": "e", "name": "me"},
                    "bucket": _status(name, run),
                }
            }
        if operation == "UpsertBucket":
            run = self.runs.setdefault(name, ServedRun())
            if variables.get("id") is None and not run.resuming:
                # Not resumed: what there was of this id is replaced.
                run.history.clear()
            run.resuming = True
            run.upserts.append(variables)
            project = {"id": "m", "name": variables["project"], "entity": {"id": "e", "name": "me"}}
            bucket = {
                "id": f"id-{name}",
                "name": name,
                "displayName": name,
                "sweepName": None,
                "project": project,
            }
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if operation == "CreateRunFiles":
            files = [{"name": file, "uploadUrl": f"{self.url}/upload/{file}"} for file in variables["files"]]
            return {"createRunFiles": {"runID": f"id-{name}", "uploadHeaders": [], "files": files}}
        return {}

    def stream(self, name: str, content: dict[str, Any]) -> None:
        run = self.runs.setdefault(name, ServedRun())
        for file, chunk in (content.get("files") or {}).items():
            if file == "wandb-history.jsonl":
                run.offsets.append(chunk["offset"])
                lines = [json.loads(line) for line in chunk["content"]]
                run.history[chunk["offset"] : chunk["offset"] + len(lines)] = lines
            elif file == "wandb-summary.json":
                run.summary = json.loads(chunk["content"][-1])
        if content.get("complete"):
            run.exit_codes.append(content["exitcode"])
            run.resuming = False


@contextmanager
def serve() -> Iterator[Server]:
    """Serve on a free port of this machine until the block ends."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server = Server(http)
    http.labtui = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        http.shutdown()
        http.server_close()


def _status(name: str, run: ServedRun | None) -> dict[str, Any] | None:
    if run is None:
        return None
    tail = [json.dumps(row) for row in run.history[-1:]]
    return {
        "id": f"id-{name}",
        "name": name,
        "displayName": name,
        "summaryMetrics": json.dumps(run.summary),
        "historyLineCount": len(run.history),
        "eventsLineCount": 0,
        "logLineCount": 0,
        "historyTail": json.dumps(tail),
        "eventsTail": "[]",
        "config": run.upserts[-1].get("config") or "{}",
        "tags": [],
        "notes": None,
        "wandbConfig": json.dumps({"t": 1}),
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send({})

    def do_PUT(self) -> None:
        self._body()
        self._send({})

    def do_POST(self) -> None:
        server: Server = self.server.labtui  # type: ignore[attr-defined]
        body = self._body()
        if self.path.endswith("/graphql"):
            content = json.loads(body)
            self._send({"data": server.answer(content.get("operationName"), content.get("variables") or {})})
        else:
            if server.silent_after_start:
                server.ended.wait()
            if self.path.endswith("/file_stream"):
                server.stream(self.path.split("/")[-2], json.loads(body))
            self._send({})

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            data = b"".join(parts)
        else:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
        return gzip.decompress(data) if self.headers.get("content-encoding") == "gzip" else data

    def _send(self, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
