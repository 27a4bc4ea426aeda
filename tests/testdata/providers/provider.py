"""An ordinary Python web server: it tells what it was asked, as JSON. provider.py PORT"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        is_form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        found = re.search(r"/status/(\d+)$", url.path)
        told = {
            "by": "python",
            "method": self.command,
            "path": url.path,
            "query": dict(parse_qsl(url.query, keep_blank_values=True)),
            "form": dict(parse_qsl(body, keep_blank_values=True)) if is_form else {},
            "body": body,
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        text = json.dumps(told).encode()
        if url.path.endswith("/large"):
            text = b"p" * (1 << 20)
        self.send_response(int(found[1]) if found else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Web", "python")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Provider).serve_forever()
