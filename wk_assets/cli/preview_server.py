"""Serve one folder's pictures to this machine's browser, so that the Dagster UI can show them.

Loopback only, GET and HEAD only, PNG files only, no listings: what else lies in the folder stays where it is.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

LOOPBACK = "127.0.0.1"
PICTURES = (".png", ".svg")


class _PictureHandler(SimpleHTTPRequestHandler):
    def send_head(self) -> BytesIO | BinaryIO | None:
        """Answer with a picture inside the folder, else 404."""
        root = Path(self.directory).resolve()
        file = Path(self.translate_path(self.path)).resolve()
        if file.suffix not in PICTURES or not file.is_file() or not file.is_relative_to(root):
            self.send_error(HTTPStatus.NOT_FOUND, "there is no such picture")
            return None
        return super().send_head()

    def end_headers(self) -> None:
        # A picture's address names the version of the layer: what it shows never changes.
        self.send_header("Cache-Control", "max-age=86400")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class gave it
        """Stay silent: the terminal belongs to Dagster's log."""


@contextmanager
def serving_pictures(folder: Path, port: int) -> Iterator[int]:
    """Serve `folder` on the loopback address while the context lasts; give the port (`port` 0: any free one).

    Raises OSError if the port is taken.
    """
    with ThreadingHTTPServer((LOOPBACK, port), partial(_PictureHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, name="previews", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
