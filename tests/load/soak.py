#!/usr/bin/env python3
"""A short soak (T41): mixed calls and strangers' noise against one Ringpost; exit 1 where something grows or stays.

  tests/load/soak.py [--ringpost target/release/ringpost] [--seconds 60] [--rate 20]

Calls, at --rate a second each: answered at the desk, nobody answers and our own UM greets, the caller gives up (a mail each),
busy everywhere. Beside them noise, connections that are left half-way, and unknown numbers. Warms up for 35 s, the life of a
transaction; then watches resident memory and descriptors for --seconds; then waits until all is back where it was.
A day of it, as T41 asks: --seconds 86400. Needs sipp. Loopback only. Best run with `nice -n 19`.
"""
import argparse, os, random, shutil, socket, statistics, subprocess, sys, tempfile, threading, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
SCENARIOS = os.path.join(HERE, "../services/sipp")
WARM = 35
# user: what the caller plays, how long (ms), and what the phones play
USERS = {
    "2001": ("caller_answer.xml", 500, ["uas_answer.xml", "uas_loser.xml"]),
    "2002": ("caller_answer.xml", 500, ["uas_ring.xml"]),
    "2003": ("caller_cancel.xml", 500, ["uas_ring.xml"]),
    "2004": ("caller_refused.xml", 0, ["uas_busy.xml", "uas_away.xml"]),
}
MORE = {"2002": 'ring_for = "1s"\num_plan = "own"\nmissed_calls = "mail"', "2003": 'missed_calls = "mail"'}


def free(count=1):
    """So many ports in a row below the ephemeral ones, free for UDP and TCP."""
    while True:
        first = random.randrange(11_000, 31_000)
        try:
            for port in range(first, first + count):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    with socket.socket(socket.AF_INET, kind) as s:
                        s.bind(("127.0.0.1", port))
            return first
        except OSError:
            pass


class Ringpost:
    def __init__(self, program, folder, phones):
        self.sip, self.http, rtp = free(), free(), (free(1000) + 1) & ~1
        self.log = open(os.path.join(folder, "log"), "w")
        lines = [f'[sip]\nlisten = ["udp:127.0.0.1:{self.sip}", "tcp:127.0.0.1:{self.sip}"]\ndomain = "corp.test"',
                 '[[trunk]]\nname = "pbx"\nsources = ["127.0.0.1"]', '[store]\npath = "store.db"',
                 f'[metrics]\nlisten = "127.0.0.1:{self.http}"', '[um.plan.own]\nservers = ["embedded"]',
                 f'[voicemail]\nrtp_ports = "{rtp}-{rtp + 997}"',
                 '[mail]\nurl = "maildir:mail"\nfrom = "ringpost@corp.test"']
        for user, ports in phones.items():
            devices = ", ".join(f'"sip:phone@127.0.0.1:{port}"' for port in ports)
            lines.append(f'[[user]]\naddress = "sip:{user}@corp.test"\nnumbers = ["{user}"]\ndevices = [{devices}]\n'
                         f'mail = "u{user}@corp.test"\n{MORE.get(user, "")}')
        with open(os.path.join(folder, "site.toml"), "w") as site:
            site.write("\n".join(lines) + "\n")
        self.process = subprocess.Popen([program, "serve", "--config", os.path.join(folder, "site.toml")],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.until("it answers", lambda: self.number("calls_open") == 0, 20)
        time.sleep(1)

    def number(self, name):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=2) as page:
                for line in page.read().decode().splitlines():
                    if line.startswith(f"ringpost_{name} "):
                        return float(line.split()[1])
        except OSError:
            pass
        return None

    def until(self, what, so, patience):
        end = time.time() + patience
        while not so():
            if time.time() > end or self.process.poll() is not None:
                sys.exit(f"never: {what}")
            time.sleep(0.2)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident(self):
        """Octets."""
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def sipp(scenario, port, folder, *arguments):
    return subprocess.Popen(["sipp", "-sf", os.path.join(SCENARIOS, scenario), "-i", "127.0.0.1", "-p", str(port), "-nostdin",
                             *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def strangers(target, over):
    """Noise, unknown numbers and connections left half-way, until it is over."""
    dice, number = random.Random(1), 0
    noise = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    noise.bind(("127.0.0.7", 0))
    left = []
    while not over.is_set():
        number += 1
        invite = (f"INVITE sip:{dice.randrange(10**6)}@x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.7:{noise.getsockname()[1]};"
                  f"branch=z9hG4bK{number};rport\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: soak{number}\r\n"
                  "CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@127.0.0.7>\r\nContent-Length: 0\r\n\r\n").encode()
        spoilt = bytearray(invite)
        for _ in range(dice.randrange(6)):
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        noise.sendto(bytes(spoilt), target)
        if number % 10 == 0:
            try:
                half = socket.create_connection(target, 1)
                half.sendall(invite[:dice.randrange(1, len(invite))])
                left.append(half)
                if len(left) > 20:
                    left.pop(0).close()
            except OSError:
                pass
        over.wait(0.02)
    for half in left:
        half.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringpost", default=os.path.join(HERE, "../../target/release/ringpost"))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=20)
    options = parser.parse_args()
    if not shutil.which("sipp"):
        print("skipped: sipp is missing")
        return
    folder = tempfile.mkdtemp()
    phones = {user: [free() for _ in played] for user, (_, _, played) in USERS.items()}
    ringpost = Ringpost(options.ringpost, folder, phones)
    running, over = [], threading.Event()
    try:
        at_rest = ringpost.descriptors()
        for user, (_, _, played) in USERS.items():
            for scenario, port in zip(played, phones[user]):
                delay = ["-d", "200"] if scenario == "uas_answer.xml" else []
                running.append(sipp(scenario, port, folder, *delay))
        callers = [sipp(caller, free(), folder, f"127.0.0.1:{ringpost.sip}", "-s", user, "-d", str(lasts), "-r", str(options.rate),
                        "-m", str(options.rate * (WARM + options.seconds)), "-l", "2000")
                   for user, (caller, lasts, _) in USERS.items()]
        running += callers
        threading.Thread(target=strangers, args=(("127.0.0.1", ringpost.sip), over), daemon=True).start()
        time.sleep(WARM)
        seen = []
        end = time.time() + options.seconds
        while time.time() < end:
            seen.append((time.time(), ringpost.resident(), ringpost.descriptors()))
            time.sleep(min(1, options.seconds / 60))
        over.set()
        for caller in callers:
            caller.wait(60)
        ringpost.until("every call has ended", lambda: ringpost.number("calls_open") == 0, 60)
        ringpost.until("descriptors are back", lambda: ringpost.descriptors() <= at_rest, 90)
        judge(ringpost, seen, [caller.returncode for caller in callers], options)
    finally:
        over.set()
        for process in running + [ringpost.process]:
            process.kill()
            process.wait()
        shutil.rmtree(folder)


def judge(ringpost, seen, codes, options):
    times, memory, descriptors = zip(*seen)
    slope = statistics.linear_regression(times, memory).slope
    grown = slope * options.seconds
    calls, faults = ringpost.number("calls_total"), ringpost.number("faults_total")
    print(f"{calls:.0f} calls; resident {memory[0] / 2**20:.1f} to {memory[-1] / 2**20:.1f} MiB, slope {slope * 60 / 2**10:+.0f} "
          f"KiB a minute; {min(descriptors)} to {max(descriptors)} descriptors")
    wrong = []
    if any(codes):
        wrong.append(f"callers ended with {codes}")
    # What the allocator keeps moves in steps of some MiB; 2 KiB lost with each call would be more within a minute at this rate.
    if grown > max(12 * 2**20, 0.1 * memory[0]):
        wrong.append(f"memory grew by {grown / 2**20:.1f} MiB")
    if statistics.mean(descriptors[len(descriptors) // 2:]) > 1.2 * statistics.mean(descriptors[:len(descriptors) // 2]) + 5:
        wrong.append("descriptors grow")
    if faults:
        wrong.append(f"{faults:.0f} faults")
    ringpost.process.terminate()
    if ringpost.process.wait(60) != 0:
        wrong.append("it did not end well")
    sys.exit("; ".join(wrong) or 0)


if __name__ == "__main__":
    main()
