#!/usr/bin/env python3
"""Receives Ringpost's notices (a channel of kind "webhook") and verifies them: python3 webhook_receiver.py PORT SECRET_FILE

Ringpost-Signature is "t=SECONDS,v1=HEX": HEX is the HMAC-SHA256, with the secret as its key, of the text "SECONDS." and the
body, octet by octet as it came. Three checks keep forgers and replays out:
1. the HMAC fits, compared in constant time;
2. SECONDS is at most five minutes from the own clock;
3. no event with this "id" was taken before. Ringpost repeats what was not answered with 2xx, with the same id, so that a
   repetition is answered with 2xx and not told again. Ids need not be kept for longer than Ringpost tries (give_up_after).
"""
import hashlib, hmac, json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WINDOW = 300


def verified(secret: bytes, header: str, body: bytes, now: float) -> bool:
    """Whether the body comes from who knows the secret and was sent just now."""
    fields = dict(field.split("=", 1) for field in header.split(",") if "=" in field)
    seconds, given = fields.get("t", ""), fields.get("v1", "")
    if not seconds.isascii() or not seconds.isdigit() or abs(now - int(seconds)) > WINDOW:
        return False
    own = hmac.new(secret, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(own.encode(), given.encode())


class Receiver(BaseHTTPRequestHandler):
    secret, seen = b"", set()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not verified(self.secret, self.headers.get("Ringpost-Signature", ""), body, time.time()):
            return self.answer(401)
        event = json.loads(body)
        if event["id"] not in self.seen:
            self.seen.add(event["id"])
            print(event["type"], event["subject"], event["data"]["summary"], flush=True)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:
        Receiver.secret = file.readline().rstrip(b"\r\n")
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print("ready", server.server_address[1], flush=True)
    server.serve_forever()
