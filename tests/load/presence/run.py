#!/usr/bin/env python3
"""Watchers of presence at Ringpost and at Kamailio's presence server, in one run.

    tests/load/presence/run.py --ringpost target/release/ringpost [--watchers 1000] [--changes 50] [--users 2000] [--each 5]
        [--storm 10000] [--phases fan_out,memory,storm] [--only ringpost] [--full]

"fan_out": that many watchers of one user, whose presence changes by PUBLISH so many times; microseconds of the server's CPU for
each NOTIFY (with its answer), and how long after the PUBLISH each NOTIFY came in, by the kernel's clock: p50, p99, the last.
"memory": so many users with so many watchers each; octets of the server for each subscription at rest, CPU for each with its first
NOTIFY. Of Ringpost also the store's size, and how long it takes to start with all of them and to tell each watcher again.
"storm": so many SUBSCRIBEs as fast as they can be sent while calls go on; how long until all were told, and calls that failed.
Ringpost keeps subscriptions on the disk, Kamailio in memory here. --full: 100,000 users, the issue's size; some ten minutes.
Needs sipp, kamailio with its presence and sqlite modules, sqlite3; --only ringpost does without the latter two. Only loopback is
used. Figures of one run can be compared, of two runs they cannot.
"""
import argparse, os, signal, socket, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(HERE))
import servers
from crowd import Crowd
from servers import cpu_us, free_port, memory_kib, peak_kib

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
max_subscriptions = 1000000
resume_within = "{resume}s"
[store]
path = "store.db"
"""
USER = '[[user]]\naddress = "sip:{0}@corp.test"\nmissed_calls = "off"\n'
PHONE = '[[user]]\naddress = "sip:{0}@corp.test"\nnumbers = ["{0}"]\ndevices = ["sip:{0}@127.0.0.1:{1}"]\nmissed_calls = "off"\n'
PIDF = ('<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" '
        'xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:{0}@corp.test"><tuple id="t"><status><basic>open</basic></status>'
        '</tuple><dm:person id="p"><rpid:activities><rpid:{1}/></rpid:activities><dm:note>n{2}</dm:note></dm:person></presence>')
# How many NOTIFYs a second Ringpost is asked to resume at most: as many as the watchers here can answer.
RESUMED = 4_000


def answers(port):
    """Whether a server answers OPTIONS."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(0.05)
        at = "127.0.0.1:%d" % s.getsockname()[1]
        s.sendto((f"OPTIONS sip:corp.test SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{at}\r\nMax-Forwards: 70\r\n"
                  f"From: <sip:load@corp.test>;tag=o\r\nTo: <sip:corp.test>\r\nCall-ID: {at}\r\nCSeq: 1 OPTIONS\r\n"
                  "Content-Length: 0\r\n\r\n").encode(), ("127.0.0.1", port))
        try:
            return s.recv(2048).startswith(b"SIP/2.0 ")
        except OSError:
            return False


def command(system, options, folder, site, port):
    if system == "ringpost":
        return servers.ringpost(options.ringpost, folder, site)
    database = os.path.join(folder, "k.db")
    for table in ("standard", "presence"):
        with open(f"/usr/share/kamailio/db_sqlite/{table}-create.sql") as file:
            subprocess.run(["sqlite3", database], stdin=file, check=True)
    with open(os.path.join(HERE, "kamailio.cfg")) as file:
        config = file.read().replace("DATABASE", database).replace("LISTEN", f"127.0.0.1:{port}")
    path = os.path.join(folder, "kamailio.cfg")
    with open(path, "w") as file:
        file.write(config)
    return servers.kamailio(folder, path, port, "-m", "1024")


def served(system, options, folder, users, port, resume=20, more=""):
    site = SITE.format(port=port, resume=resume) + more + "".join(USER.format(user) for user in users)
    return servers.running(system, command(system, options, folder, site, port), folder, lambda: answers(port))


def fan_out(system, options, folder):
    port = free_port()
    with served(system, options, folder, ["1001"], port) as process:
        crowd = Crowd(port)
        crowd.subscribe([(number, "1001") for number in range(options.watchers)])
        crowd.hear(2)
        spent, waits, lasts, late = 0, [], [], 0
        for change in range(options.changes):
            crowd.notified = []
            lines = "Event: presence\r\nExpires: 3600\r\nContent-Type: application/pidf+xml\r\n"
            lines += f"SIP-If-Match: {crowd.etag}\r\n" if crowd.etag else ""
            body = PIDF.format("1001", "busy" if change % 2 else "away", change)
            before, since = cpu_us(process.pid), time.time()
            crowd.send(10_000_000 + change, "PUBLISH", "1001", lines, body, by="1001")
            crowd.hear(10, lambda: len(crowd.notified) >= options.watchers)
            crowd.hear(0.2)
            spent += cpu_us(process.pid) - before
            late += max(0, options.watchers - len(crowd.notified))
            times = sorted(at - since for at in crowd.notified[:options.watchers])
            waits += times
            lasts += times[-1:]
        waits.sort()
        notifies = options.watchers * options.changes - late
        ms = lambda share: 1000 * waits[min(len(waits) - 1, int(share * len(waits)))]
        print(f"{system:9} fan_out: {spent / max(1, notifies):7.1f} us CPU per NOTIFY, p50 {ms(.5):6.1f} ms, p99 {ms(.99):6.1f} ms, "
              f"slowest {1000 * max(lasts):6.1f} ms, missing {late}", flush=True)
        return spent / max(1, notifies)


def memory(system, options, folder):
    port, users = free_port(), [str(100000 + number) for number in range(options.users)]
    pairs = [(number, users[number % len(users)]) for number in range(options.users * options.each)]
    resume = max(20, len(pairs) // RESUMED)
    since = time.monotonic()
    with served(system, options, folder, users, port, resume) as process:
        began = time.monotonic() - since
        crowd, before = Crowd(port), memory_kib(process.pid)
        spent = cpu_us(process.pid)
        took = crowd.subscribe(pairs)
        # The transactions of the NOTIFYs end.
        crowd.hear(40)
        spent, held = cpu_us(process.pid) - spent, memory_kib(process.pid)
        each = (held - before) * 1024 / len(pairs)
        print(f"{system:9} memory: {each:7.0f} octets per subscription, {spent / len(pairs):6.1f} us CPU for each with its first "
              f"NOTIFY, {len(pairs)} in {took:.1f} s; {held / 1024:.0f} MiB with {len(users)} users, {before / 1024:.0f} before",
              flush=True)
    if system == "ringpost":
        resumes(options, folder, (port, users, resume, began), (crowd, len(pairs)))
    return each


def resumes(options, folder, place, crowded):
    """Starts Ringpost again with what it has kept."""
    (port, users, resume, began), (crowd, count) = place, crowded
    size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder) if name.startswith("store.db"))
    crowd.told, since = set(), time.monotonic()
    with served("ringpost", options, folder, users, port, resume) as process:
        up = time.monotonic() - since
        all_told = crowd.hear(resume + 60, lambda: len(crowd.told) >= count)
        told = time.monotonic() - since
        print(f"ringpost  start:  {size / count:.0f} octets on the disk per subscription; up after {up:.1f} s, with none after "
              f"{began:.1f} s; {len(crowd.told)} told again {told:.1f} s after the start, spread over {resume} s; "
              f"{memory_kib(process.pid) / 1024:.0f} MiB, {peak_kib(process.pid) / 1024:.0f} at most, {cpu_us(process.pid) / count:.1f} us CPU for each", flush=True)
        if not all_told:
            sys.exit("not every watcher was told again")


def storm(system, options, folder):
    port, phone = free_port(), free_port()
    if system != "ringpost":
        return None
    with served(system, options, folder, ["1001"], port, more=PHONE.format("2001", phone)) as process:
        uas = ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(phone), "-nostdin"]
        phones = subprocess.Popen(uas, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            crowd = Crowd(port)
            caller, stat = servers.sipp(folder, "calls", port, ["-sn", "uac", "-s", "2001", "-r", "20", "-m", "200", "-d", "100"])
            took = crowd.storm([(number, "1001") for number in range(options.storm)], 60)
            caller.wait(60)
            print(f"{system:9} storm:  {options.storm} told after {took or -1:.1f} s; calls meanwhile {servers.result(stat)}", flush=True)
        finally:
            servers.end(phones, signal.SIGKILL)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringpost", required=True)
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--storm", type=int, default=10_000)
    parser.add_argument("--phases", default="fan_out,memory,storm")
    parser.add_argument("--only", choices=["ringpost", "kamailio"])
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    options.users = 100_000 if options.full else options.users
    systems = [options.only] if options.only else ["ringpost", "kamailio"]
    for phase in (globals()[name] for name in options.phases.split(",")):
        figures = []
        for system in systems:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                figures.append(phase(system, options, folder))
        if len(figures) == 2 and figures[0] and figures[1]:
            print(f"{phase.__name__}: Ringpost at {figures[0] / figures[1]:.2f} of Kamailio", flush=True)


if __name__ == "__main__":
    main()
