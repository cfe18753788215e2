"""Pages in Debian's chromium: a script in the page tells what it saw."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from tests.study.test_page import CHROMIUM, FLAGS

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="needs Debian's chromium"
)
ENDLESS = [flag for flag in FLAGS if "virtual-time" not in flag and "dump-dom" not in flag]


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and keeps what a page posts."""

    def __init__(self, told: Queue[Any], *args: Any, **options: Any) -> None:
        self.told = told
        super().__init__(*args, **options)

    def do_POST(self) -> None:
        self.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def visit(
    page: Path, script: str, profile: Path, *, served: bool = False, flags: Sequence[str] = ()
) -> tuple[Any, list[str]]:
    """What a script in a page tells with `tell(value)`, and the lines of the console.

    The page may talk to this process, but to nobody else that it could not talk to before.
    """
    told: Queue[Any] = Queue()
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, told, directory=str(page.parent))
    )
    origin = f"http://127.0.0.1:{server.server_port}"
    text = page.read_text(encoding="utf-8")
    assert "connect-src " in text
    post = "{method: 'POST', mode: 'no-cors', body: JSON.stringify(value)}"
    tell = f"const tell = value => fetch('{origin}', {post});"
    probed = page.with_name("probed.html")
    probed.write_text(
        text.replace("connect-src ", f"connect-src {origin} ").replace(
            "</body>", f"<script>{tell}\n{script}</script></body>"
        ),
        encoding="utf-8",
    )
    address = f"{origin}/{probed.name}" if served else probed.as_uri()
    Thread(target=server.serve_forever, daemon=True).start()
    command = [CHROMIUM or "chromium", *ENDLESS, *flags, f"--user-data-dir={profile}", address]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as browser:
        try:
            value = told.get(timeout=120)
        finally:
            browser.terminate()
            lines = browser.communicate()[1].splitlines()
            server.shutdown()
            server.server_close()
    return value, [line for line in lines if "CONSOLE" in line]
