# SPDX-License-Identifier: GPL-2.0-or-later
"""The page, served as any web server would."""

import contextlib
import functools
import http.server
import ssl
import threading


class Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, '.mjs': 'text/javascript'}

    def log_message(self, *_):
        pass

    def do_GET(self):
        text = self.server.files.get(self.path)
        if text is None:
            super().do_GET()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


@contextlib.contextmanager
def serve(folder, authority=None):
    """The server; it serves server.files too, text by path. authority: of its certificate"""
    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        server.files = {}
        server.url = f'{"https" if authority else "http"}://127.0.0.1:{server.server_port}'
        if authority:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(*authority.certificate)
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
