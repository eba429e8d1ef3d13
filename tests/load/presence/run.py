#!/usr/bin/env python3
"""Watchers of presence at Ringpost and at Kamailio's presence server, in one run.

    tests/load/presence/run.py --ringpost target/release/ringpost [--watchers 1000] [--changes 50] [--users 2000] [--each 5]

Phase "fan-out": that many watchers of one user, whose presence changes by PUBLISH so many times; microseconds of the server's CPU
for each NOTIFY (with its answer), and how long after the PUBLISH each NOTIFY came in, by the kernel's clock: p50, p99, the last.
Phase "memory": so many users with so many watchers each; octets of the server for each subscription, at rest.
Ringpost keeps subscriptions on the disk, Kamailio in memory here. Needs kamailio with its presence and sqlite modules, sqlite3;
--only ringpost does without. Only loopback is used. Figures of one run can be compared, of two runs they cannot.
"""
import argparse, glob, os, re, selectors, signal, socket, struct, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
SITE = """[sip]
listen = ["udp:127.0.0.1:{port}"]
domain = "corp.test"
[[trunk]]
name = "load"
sources = ["127.0.0.1"]
[presence]
enabled = true
users = "full"
trunks = "full"
notify_gap = "0s"
[store]
path = "store.db"
"""
USER = '[[user]]\naddress = "sip:{0}@corp.test"\nmissed_calls = "off"\n'
SO_TIMESTAMPNS = 35
SOCKETS = 64
PIDF = ('<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" '
        'xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:{0}@corp.test"><tuple id="t"><status><basic>open</basic></status>'
        '</tuple><dm:person id="p"><rpid:activities><rpid:{1}/></rpid:activities><dm:note>n{2}</dm:note></dm:person></presence>')


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tree(pid):
    found = [pid]
    for file in glob.glob(f"/proc/{pid}/task/*/children"):
        for child in open(file).read().split():
            found += tree(int(child))
    return found


def cpu_us(pid):
    """What the live threads have run, in microseconds."""
    total = 0
    for process in tree(pid):
        for file in glob.glob(f"/proc/{process}/task/*/schedstat"):
            total += int(open(file).read().split()[0])
    return total // 1000


def memory_kib(pid):
    lines = (line for process in tree(pid) for line in open(f"/proc/{process}/smaps_rollup"))
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


class Crowd:
    """Watchers behind some sockets, so that no receive buffer runs over; NOTIFYs are answered 200."""

    def __init__(self, port):
        self.server, self.notified, self.ok, self.etag, self.refused = ("127.0.0.1", port), [], 0, None, None
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
        text = (f"{method} sip:{user}@corp.test SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}{number}x{time.monotonic_ns()}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{by or 'watcher'}@corp.test>;tag=t{number}\r\nTo: <sip:{user}@corp.test>\r\n"
                f"Call-ID: {method}-{number}-{at}\r\nCSeq: 1 {method}\r\nContact: <sip:w@{at}>\r\n{lines}"
                f"Content-Length: {len(body)}\r\n\r\n{body}")
        one.sendto(text.encode(), self.server)

    def hear(self, patience, done):
        end = time.monotonic() + patience
        while time.monotonic() < end and not done():
            for key, _ in self.poll.select(0.05):
                while True:
                    try:
                        octets, extra, _, _ = key.fileobj.recvmsg(65535, 64, socket.MSG_DONTWAIT)
                    except BlockingIOError:
                        break
                    self.take(key.fileobj, octets, extra)
        return done()

    def take(self, one, octets, extra):
        if octets.startswith(b"NOTIFY"):
            seconds, nanos = struct.unpack("qq", extra[0][2][:16]) if extra else (0, 0)
            self.notified.append(seconds + nanos / 1e9)
            head = octets.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
            kept = [line for line in head[1:] if line[:4].lower() in (b"via:", b"from", b"to: ", b"call", b"cseq")]
            one.sendto(b"SIP/2.0 200 OK\r\n" + b"\r\n".join(kept) + b"\r\nContent-Length: 0\r\n\r\n", self.server)
        elif octets.startswith(b"SIP/2.0 2"):
            self.ok += 1
            found = re.search(rb"(?im)^sip-etag:\s*(\S+)", octets)
            self.etag = found.group(1).decode() if found else self.etag
        elif not octets.startswith(b"SIP/2.0 1"):
            self.refused = octets


def start(system, options, folder, users, port):
    if system == "ringpost":
        site = os.path.join(folder, "site.toml")
        with open(site, "w") as file:
            file.write(SITE.format(port=port) + "".join(USER.format(user) for user in users))
        command = [os.path.abspath(options.ringpost), "serve", "--config", site, "--log-level", "warn"]
    else:
        database = os.path.join(folder, "k.db")
        for table in ("standard", "presence"):
            with open(f"/usr/share/kamailio/db_sqlite/{table}-create.sql") as file:
                subprocess.run(["sqlite3", database], stdin=file, check=True)
        config = open(os.path.join(HERE, "kamailio.cfg")).read()
        config = config.replace("DATABASE", database).replace("LISTEN", f"127.0.0.1:{port}")
        with open(os.path.join(folder, "kamailio.cfg"), "w") as file:
            file.write(config)
        command = ["kamailio", "-DD", "-E", "-m", "1024", "-f", os.path.join(folder, "kamailio.cfg"), "-l",
                   f"udp:127.0.0.1:{port}", "-Y", folder, "-w", folder, "-P", os.path.join(folder, "pid")]
    log = open(os.path.join(folder, "log"), "w")
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    time.sleep(2)
    if process.poll() is not None:
        sys.exit(f"{system} does not start:\n" + open(os.path.join(folder, "log")).read()[-2000:])
    return process


def subscribe(crowd, pairs):
    """(number, user) of each watcher, in bundles; again who had no answer."""
    lines = "Event: presence\r\nAccept: application/pidf+xml\r\nExpires: 3600\r\n"
    wanted = crowd.ok + len(pairs)
    for at in range(0, len(pairs), 200):
        before = crowd.ok
        for number, user in pairs[at:at + 200]:
            crowd.send(number, "SUBSCRIBE", user, lines)
        some = len(pairs[at:at + 200])
        if not crowd.hear(20, lambda: crowd.ok >= before + some):
            sys.exit(f"only {crowd.ok} of {wanted} subscriptions were taken: {crowd.refused}")
    crowd.hear(2, lambda: False)


def fan_out(system, options, folder):
    port = free_port()
    process = start(system, options, folder, ["1001"], port)
    try:
        crowd = Crowd(port)
        subscribe(crowd, [(number, "1001") for number in range(options.watchers)])
        spent, waits, lasts, late = 0, [], [], 0
        for change in range(options.changes):
            crowd.notified = []
            lines = "Event: presence\r\nExpires: 3600\r\nContent-Type: application/pidf+xml\r\n"
            lines += f"SIP-If-Match: {crowd.etag}\r\n" if crowd.etag else ""
            body = PIDF.format("1001", "busy" if change % 2 else "away", change)
            before, since = cpu_us(process.pid), time.time()
            crowd.send(10_000_000 + change, "PUBLISH", "1001", lines, body, by="1001")
            crowd.hear(10, lambda: len(crowd.notified) >= options.watchers)
            crowd.hear(0.2, lambda: False)
            spent += cpu_us(process.pid) - before
            late += max(0, options.watchers - len(crowd.notified))
            times = sorted(at - since for at in crowd.notified[:options.watchers])
            waits += times
            lasts += times[-1:]
        waits.sort()
        notifies = options.watchers * options.changes - late
        ms = lambda share: 1000 * waits[min(len(waits) - 1, int(share * len(waits)))]
        print(f"{system:9} fan-out: {spent / max(1, notifies):7.1f} us CPU per NOTIFY, p50 {ms(.5):6.1f} ms, p99 {ms(.99):6.1f} ms, "
              f"slowest {1000 * max(lasts):6.1f} ms, missing {late}", flush=True)
        return spent / max(1, notifies)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def memory(system, options, folder):
    port, users = free_port(), [str(100000 + number) for number in range(options.users)]
    process = start(system, options, folder, users, port)
    try:
        crowd, before = Crowd(port), memory_kib(process.pid)
        pairs = [(number, users[number % len(users)]) for number in range(options.users * options.each)]
        since, spent = time.monotonic(), cpu_us(process.pid)
        subscribe(crowd, pairs)
        took, spent = time.monotonic() - since, cpu_us(process.pid) - spent
        # The transactions of the NOTIFYs end.
        crowd.hear(45, lambda: False)
        grown = (memory_kib(process.pid) - before) * 1024
        print(f"{system:9} memory: {grown / len(pairs):7.0f} octets per subscription, {spent / len(pairs):6.1f} us CPU for each with its "
              f"first NOTIFY, {len(pairs)} in {took:.1f} s", flush=True)
        return grown / len(pairs)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringpost", required=True)
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--only", choices=["ringpost", "kamailio"])
    options = parser.parse_args()
    systems = [options.only] if options.only else ["ringpost", "kamailio"]
    for phase in (fan_out, memory):
        figures = []
        for system in systems:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                figures.append(phase(system, options, folder))
        if len(figures) == 2 and figures[1]:
            print(f"{phase.__name__}: Ringpost at {figures[0] / figures[1]:.2f} of Kamailio", flush=True)


if __name__ == "__main__":
    main()
