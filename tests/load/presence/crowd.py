"""Watchers behind some sockets, so that no receive buffer runs over; NOTIFYs are answered 200."""
import re, selectors, socket, struct, sys, time

SO_TIMESTAMPNS = 35
SOCKETS = 64
LINES = "Event: presence\r\nAccept: application/pidf+xml\r\nExpires: 3600\r\n"
CALL_ID = re.compile(rb"(?im)^Call-ID: SUBSCRIBE-(\d+)-")
ETAG = re.compile(rb"(?im)^sip-etag:\s*(\S+)")
KEPT = (b"via:", b"from", b"to: ", b"call", b"cseq")


class Crowd:
    def __init__(self, port):
        self.server, self.notified, self.etag, self.refused = ("127.0.0.1", port), [], None, None
        # Whose SUBSCRIBE was taken, and who has been told since this was emptied last.
        self.taken, self.told, self.published = set(), set(), 0
        self.poll = selectors.DefaultSelector()
        self.sockets = []
        for _ in range(SOCKETS):
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.bind(("127.0.0.1", 0))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self.poll.register(one, selectors.EVENT_READ)
            self.sockets.append(one)

    def send(self, number, method, user, lines, body="", by=None):
        one = self.sockets[number % SOCKETS]
        at = "127.0.0.1:%d" % one.getsockname()[1]
        text = (f"{method} sip:{user}@corp.test SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}{number}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{by or 'watcher'}@corp.test>;tag=t{number}\r\nTo: <sip:{user}@corp.test>\r\n"
                f"Call-ID: {method}-{number}-{at}\r\nCSeq: 1 {method}\r\nContact: <sip:w@{at}>\r\n{lines}"
                f"Content-Length: {len(body)}\r\n\r\n{body}")
        one.sendto(text.encode(), self.server)

    def hear(self, patience, done=lambda: False):
        end = time.monotonic() + patience
        while not done():
            for key, _ in self.poll.select(min(patience, 0.05)):
                for _ in range(64):
                    try:
                        octets, extra, _, _ = key.fileobj.recvmsg(65535, 64, socket.MSG_DONTWAIT)
                    except BlockingIOError:
                        break
                    self.take(key.fileobj, octets, extra)
            if time.monotonic() >= end:
                break
        return done()

    def take(self, one, octets, extra):
        if octets.startswith(b"NOTIFY"):
            seconds, nanos = struct.unpack("qq", extra[0][2][:16]) if extra else (0, 0)
            self.notified.append(seconds + nanos / 1e9)
            self.told.add(int(CALL_ID.search(octets).group(1)))
            head = octets.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
            kept = [line for line in head[1:] if line[:4].lower() in KEPT]
            one.sendto(b"SIP/2.0 200 OK\r\n" + b"\r\n".join(kept) + b"\r\nContent-Length: 0\r\n\r\n", self.server)
        elif octets.startswith(b"SIP/2.0 2"):
            of = CALL_ID.search(octets)
            if of:
                self.taken.add(int(of.group(1)))
                return
            self.published += 1
            found = ETAG.search(octets)
            self.etag = found.group(1).decode() if found else self.etag
        elif not octets.startswith(b"SIP/2.0 1"):
            self.refused = octets

    def subscribe(self, pairs, at_once=200):
        """(number, user) of each watcher, in bundles; again who has no answer. Seconds until all were taken and told."""
        since = time.monotonic()
        for at in range(0, len(pairs), at_once):
            some = waiting = pairs[at:at + at_once]
            for _ in range(10):
                for number, user in waiting:
                    self.send(number, "SUBSCRIBE", user, LINES)
                self.hear(2, lambda: all(number in self.taken for number, _ in some))
                waiting = [(number, user) for number, user in some if number not in self.taken]
                if not waiting:
                    break
            else:
                sys.exit(f"{len(waiting)} of {len(pairs)} subscriptions are not taken: {self.refused}")
        self.hear(20, lambda: len(self.told) >= len(pairs))
        return time.monotonic() - since

    def storm(self, pairs, patience):
        """All of them as fast as this goes, again after half a second who has no answer. Seconds until all were told, or None."""
        since, waiting = time.monotonic(), pairs
        while time.monotonic() - since < patience:
            for at in range(0, len(waiting), 50):
                for number, user in waiting[at:at + 50]:
                    self.send(number, "SUBSCRIBE", user, LINES)
                self.hear(0)
            if self.hear(0.5, lambda: len(self.told) >= len(pairs)):
                return time.monotonic() - since
            waiting = [(number, user) for number, user in pairs if number not in self.taken]
        return None
