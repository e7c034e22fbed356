"""An API that takes calls signed by Claviger's keys and by nobody else, over a library that is not Claviger's.

    server.py JWK_FILE           prints the loopback port it chose, then serves until its standard input ends

It stands for `api.example.com` and `pay.example.com`, told apart by the Host header, as if TLS had been ended in front of
it. The public key comes from the file, which an owner made with `claviger key show`; nothing is fetched. It answers in
JSON: 200, 401 for what does not verify, 409 for an idempotency key seen before.
"""

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from verify_http import check

HOSTS = {"api.example.com", "pay.example.com"}
MAX_BODY = 64 * 1024


class Seen:
    """Idempotency keys that were carried out."""

    def __init__(self):
        self.keys = set()
        self.lock = threading.Lock()

    def first_time(self, key):
        with self.lock:
            new = key not in self.keys
            self.keys.add(key)
            return new


def verify(request, body, jwk):
    """Raises for whatever does not verify."""
    host = request.headers.get("host", "")
    if host not in HOSTS:
        raise ValueError("not one of this server's names")
    covered = {"content-digest", "content-type", "idempotency-key", "signature", "signature-input"}
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    check(
        {
            "method": request.command,
            "url": f"https://{host}{request.path}",
            "headers": [pair for pair in headers if pair[0] in covered],
            "body_b64": base64.b64encode(body).decode() if body else None,
            "jwk": jwk,
        }
    )


class Api(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    jwk = None
    seen = Seen()

    def answer(self):
        length = int(self.headers.get("content-length", "0"))
        if length > MAX_BODY:
            return self.reply(413, {"error": "too large"})
        body = self.rfile.read(length)
        try:
            verify(self, body, self.jwk)
        except Exception as why:
            return self.reply(401, {"error": type(why).__name__})
        if self.command == "GET":
            return self.reply(200, {"order": self.path.split("?")[0].rsplit("/", 1)[-1]})
        key = self.headers.get("idempotency-key")
        if key is None:
            return self.reply(401, {"error": "a charge without an idempotency key"})
        if not self.seen.first_time(key):
            return self.reply(409, {"error": "charged already"})
        charge = json.loads(body)
        return self.reply(200, {"charged": charge["amount"], "currency": charge["currency"]})

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def reply(self, status, document):
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        Api.jwk = json.load(file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
