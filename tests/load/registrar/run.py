#!/usr/bin/env python3
"""Ten thousand devices that refresh, through Ringpost and through Kamailio's registrar, in one run.

    tests/load/registrar/run.py --ringpost target/release/ringpost [--devices 10000] [--rate 500] [--calls 20]

Prints one line per system and phase: microseconds of CPU per refresh (two REGISTERs: challenged and answered), failures,
retransmissions, memory; then the ratio. Phases: "first" (every device for the first time), "refresh", and "with calls": the
refreshes go on while calls are made to the devices. Ringpost has every binding on the disk before it answers; Kamailio keeps
them in memory. Needs sipp and kamailio; only loopback is used. Figures of one run can be compared, of two runs they cannot.
"""
import argparse, csv, glob, os, signal, socket, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
SITE = """[sip]
listen = ["udp:127.0.0.1:{port}"]
domain = "corp.test"
[[trunk]]
name = "load"
sources = ["127.0.0.1"]
[registrar]
algorithms = ["MD5"]
[store]
path = "store.db"
"""
USER = '[[user]]\naddress = "sip:{0}@corp.test"\npassword = "secret"\nmissed_calls = "off"\n'


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


def sipp(folder, name, scenario, port, extra):
    stat = os.path.join(folder, f"{name}.csv")
    command = ["sipp", f"127.0.0.1:{port}", "-sf", os.path.join(HERE, scenario), "-i", "127.0.0.1", "-p", str(free_port()),
               "-nostdin", "-trace_stat", "-stf", stat, "-fd", "1", "-timeout", "300", *extra]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), stat


def result(stat):
    rows = [row for row in csv.DictReader(open(stat), delimiter=";") if row.get("TotalCallCreated")]
    last = rows[-1] if rows else {}
    number = lambda key: int(last.get(key) or 0)
    return {"done": number("SuccessfulCall(C)"), "failed": number("FailedCall(C)"), "again": number("Retransmissions(C)")}


def start(system, options, folder, users, port):
    if system == "ringpost":
        site = os.path.join(folder, "site.toml")
        with open(site, "w") as file:
            file.write(SITE.format(port=port) + "".join(USER.format(user) for user in users))
        command = [os.path.abspath(options.ringpost), "serve", "--config", site, "--log-level", "warn"]
    else:
        command = ["kamailio", "-DD", "-E", "-m", "256", "-f", os.path.join(HERE, "kamailio.cfg"), "-A",
                   f"NCHILD={system.split()[1]}", "-l", f"udp:127.0.0.1:{port}", "-Y", folder, "-w", folder, "-P",
                   os.path.join(folder, "pid")]
    process = subprocess.Popen(command, cwd=folder, stdout=open(os.path.join(folder, "log"), "w"), stderr=subprocess.STDOUT)
    time.sleep(2)
    if process.poll() is not None:
        sys.exit(f"{system} does not start:\n" + open(os.path.join(folder, "log")).read()[-2000:])
    return process


def measure(system, options):
    figures = {}
    users = [str(100000 + n) for n in range(options.devices)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        inf = os.path.join(folder, "users.csv")
        with open(inf, "w") as file:
            file.write("SEQUENTIAL\n" + "".join(
                f"{user};[authentication username={user} password=secret]\n" for user in users))
        port, devices = free_port(), free_port()
        process = start(system, options, folder, users, port)
        phones = subprocess.Popen(["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(devices), "-nostdin"], cwd=folder,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for phase, rounds in (("first", 1), ("refresh", options.rounds), ("with calls", options.rounds)):
                figures[phase] = one_phase((system, phase), options, folder, (port, devices, inf, process.pid), rounds)
        finally:
            for one in (phones, process):
                one.send_signal(signal.SIGTERM)
                try:
                    one.wait(10)
                except subprocess.TimeoutExpired:
                    one.kill()
    return figures


def one_phase(names, options, folder, place, rounds):
    (system, phase), (port, devices, inf, pid) = names, place
    count = options.devices * rounds
    calls = None
    if phase == "with calls":
        seconds = count // options.rate
        calls = sipp(folder, "calls", "call.xml", port, ["-inf", inf, "-r", str(options.calls), "-m",
                                                         str(options.calls * seconds), "-l", "2000"])
    before = cpu_us(pid)
    refresh = sipp(folder, phase.replace(" ", "-"), "register.xml", port,
                   ["-inf", inf, "-r", str(options.rate), "-m", str(count), "-l", "5000", "-key", "devices", str(devices)])
    refresh[0].wait(300)
    # What is written behind the answers belongs to them.
    time.sleep(1)
    spent = cpu_us(pid) - before
    told = result(refresh[1])
    each = spent / max(told["done"], 1)
    line = f"{system:12} {phase:10} {each:7.1f} us/refresh  {told}  {memory_kib(pid)} KiB"
    if calls:
        calls[0].wait(300)
        line += f"  calls {result(calls[1])}"
    print(line, flush=True)
    return each


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringpost", required=True)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=500, help="refreshes a second")
    parser.add_argument("--rounds", type=int, default=2, help="how often each device refreshes in a phase")
    parser.add_argument("--calls", type=int, default=20, help="calls a second, in the third phase")
    parser.add_argument("--kamailio", default="1,2", help="numbers of worker processes")
    options = parser.parse_args()
    ours = measure("ringpost", options)
    for workers in options.kamailio.split(","):
        theirs = measure(f"kamailio {workers}", options)
        for phase in ("first", "refresh"):
            print(f"ratio to {workers} worker(s), {phase}: {ours[phase] / theirs[phase]:.2f}")


if __name__ == "__main__":
    main()
