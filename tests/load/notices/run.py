#!/usr/bin/env python3
"""The queue of notices under load: what goes in, what goes out by SMTP, and what a million waiting ones cost.

    cargo build --release && cargo build --release -p ringpost-actors --example notices
    tests/load/notices/run.py --target target/release [--smtp 127.0.0.1:1025] [--folder .] [--million 1000000]

Prints a line of JSON per step: "queue" posts 2,000 notices a second (on the disk, synced, before each answer), "mails" sends 500
mails a second to a mail server (--smtp, or postfix's smtp-sink where none is named) and then as many as go, "fill" and "resume"
make a store of a million notices for a server that is away and start on it, "queue" again beside them, and "calls" plays missed
calls through the whole program with an empty and with a full queue: the ratios of CPU per call and of the time to the final
response are the last line. Only loopback is used. Figures of one run can be compared, of two runs on a busy machine they cannot.
"""
import argparse, csv, glob, json, os, shutil, signal, socket, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
SITE = """[sip]
listen = ["udp:127.0.0.1:{port}"]
domain = "corp.test"
[[trunk]]
name = "load"
sources = ["127.0.0.1"]
[[user]]
address = "sip:1001@corp.test"
numbers = ["1001"]
devices = ["sip:1001@127.0.0.1:{phone}"]
missed_calls = "mail"
mail = "user1@corp1.test"
[mail]
url = "smtp://127.0.0.1:1"
from = "ringpost@corp.test"
[store]
path = {store}
"""


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_us(pid):
    """What the live threads have run, in microseconds."""
    return sum(int(open(file).read().split()[0]) for file in glob.glob(f"/proc/{pid}/task/*/schedstat")) // 1000


def show(step, figures):
    print(json.dumps({"step": step, **figures}), flush=True)
    return figures


def measure(options, step, *words):
    done = subprocess.run([os.path.join(options.target, "examples", "notices"), *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{step}: {done.stderr}")
    return show(step, json.loads(done.stdout))


def sink():
    program = shutil.which("smtp-sink", path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        return None, None
    port = free_port(socket.SOCK_STREAM)
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    return subprocess.Popen([program, *user, "-8", f"127.0.0.1:{port}", "1000"], stderr=subprocess.DEVNULL), f"127.0.0.1:{port}"


def calls(options, folder, name, store):
    port, phone = free_port(), free_port()
    site = os.path.join(folder, f"{name}.toml")
    with open(site, "w") as file:
        file.write(SITE.format(port=port, phone=phone, store=json.dumps(store)))
    log = open(os.path.join(folder, f"{name}.log"), "w")
    program = subprocess.Popen([os.path.join(options.target, "ringpost"), "serve", "--config", site, "--log-level", "error"],
                               stderr=log)
    sipp = ["sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-nostdin", "-timeout", "300"]
    busy = subprocess.Popen(["sipp", "-sf", os.path.join(HERE, "busy.xml"), "-i", "127.0.0.1", "-p", str(phone), "-nostdin"],
                            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # A full queue is read in the first seconds, and the breaker opens.
        time.sleep(options.settle)
        runs = []
        for phase in ("warm", "measured"):
            stat = os.path.join(folder, f"{name}-{phase}.csv")
            count = options.calls * (options.seconds if phase == "measured" else 3)
            before = cpu_us(program.pid)
            subprocess.run([*sipp, "-sf", os.path.join(HERE, "caller.xml"), "-p", str(free_port()), "-r", str(options.calls), "-m",
                            str(count), "-l", "5000", "-trace_stat", "-stf", stat, "-fd", "1"], cwd=folder,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(2)
            last = [row for row in csv.DictReader(open(stat), delimiter=";") if row.get("TotalCallCreated")][-1]
            hours, minutes, rest = last["ResponseTime1(C)"].split(":")[:3]
            parts = last["ResponseTime1(C)"].split(":")
            mean = (int(hours) * 3600 + int(minutes) * 60 + int(rest)) * 1e3 + (int(parts[3]) / 1e3 if len(parts) > 3 else 0)
            runs.append({"calls": int(last["SuccessfulCall(C)"]), "failed": int(last["FailedCall(C)"]),
                         "again": int(last["Retransmissions(C)"]), "cpu_us_per_call": (cpu_us(program.pid) - before) / count,
                         "final_response_ms": mean})
        return show(f"calls, {name} queue", runs[-1])
    finally:
        for one in (busy, program):
            one.send_signal(signal.SIGKILL)
            one.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True, help="the folder with ringpost and examples/notices")
    parser.add_argument("--smtp", help="HOST:PORT of a mail server that takes user*@corp*.test")
    parser.add_argument("--folder", default=".", help="where the stores go: a disk whose syncs are real")
    parser.add_argument("--million", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=50, help="calls a second")
    parser.add_argument("--settle", type=int, default=15, help="seconds until a full queue has settled")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, ignore_cleanup_errors=True) as folder:
        path = lambda name: os.path.join(folder, name)
        empty = measure(options, "queue, empty", "queue", path("queue.db"), 2000, options.seconds)
        server, address = (None, options.smtp) if options.smtp else sink()
        if address:
            time.sleep(1)
            measure(options, "mails, 500 a second", "mails", path("mails.db"), address, 500, options.seconds, 16)
            measure(options, "mails, at once", "mails", path("mails.db"), address, 5000, max(1, options.seconds // 10), 16)
        else:
            print("skipped: mails (no --smtp, and no smtp-sink)")
        if server:
            server.kill()
        measure(options, "fill", "fill", path("full.db"), options.million)
        measure(options, "resume", "resume", path("full.db"))
        full = measure(options, "queue, full", "queue", path("full.db"), 2000, options.seconds)
        if shutil.which("sipp"):
            few, many = calls(options, folder, "empty", path("calls.db")), calls(options, folder, "full", path("full.db"))
            show("full to empty", {
                "cpu_per_call": many["cpu_us_per_call"] / few["cpu_us_per_call"],
                "final_response": many["final_response_ms"] / few["final_response_ms"],
                "cpu_per_post": full["cpu_us_each"] / empty["cpu_us_each"],
                "commit_p99": full["commit"]["p99_ms"] / empty["commit"]["p99_ms"],
            })
        else:
            print("skipped: calls (no sipp)")


if __name__ == "__main__":
    main()
