#!/usr/bin/env python3
"""Ten thousand devices that refresh, through Ringpost and through Kamailio's registrar, in one run.

    tests/load/registrar/run.py --ringpost target/release/ringpost [--devices 10000] [--rate 500] [--calls 20]

Prints one line per system and phase: microseconds of CPU per refresh (two REGISTERs: challenged and answered), failures,
retransmissions, memory; then the ratio. Phases: "first" (every device for the first time), "refresh", and "with calls": the
refreshes go on while calls are made to the devices. Ringpost has every binding on the disk before it answers; Kamailio keeps
them in memory. Needs sipp and kamailio; only loopback is used. Figures of one run can be compared, of two runs they cannot.
"""
import argparse, os, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(HERE))
import servers
from servers import cpu_us, free_port, memory_kib, result, sipp

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


def command(system, options, folder, users, port):
    if system == "ringpost":
        return servers.ringpost(options.ringpost, folder, SITE.format(port=port) + "".join(USER.format(user) for user in users))
    return servers.kamailio(folder, os.path.join(HERE, "kamailio.cfg"), port, "-m", "256", "-A", f"NCHILD={system.split()[1]}")


def measure(system, options):
    figures = {}
    users = [str(100000 + n) for n in range(options.devices)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        inf = os.path.join(folder, "users.csv")
        with open(inf, "w") as file:
            file.write("SEQUENTIAL\n" + "".join(
                f"{user};[authentication username={user} password=secret]\n" for user in users))
        port, devices = free_port(), free_port()
        uas = ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(devices), "-nostdin"]
        with servers.running(system, command(system, options, folder, users, port), folder) as process:
            phones = subprocess.Popen(uas, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                for phase, rounds in (("first", 1), ("refresh", options.rounds), ("with calls", options.rounds)):
                    figures[phase] = one_phase((system, phase), options, folder, (port, devices, inf, process.pid), rounds)
            finally:
                servers.end(phones, patience=10)
    return figures


def one_phase(names, options, folder, place, rounds):
    (system, phase), (port, devices, inf, pid) = names, place
    count = options.devices * rounds
    calls = None
    if phase == "with calls":
        seconds = count // options.rate
        calls = sipp(folder, "calls", port, ["-sf", os.path.join(HERE, "call.xml"), "-inf", inf, "-r", str(options.calls), "-m",
                                                         str(options.calls * seconds), "-l", "2000"])
    before = cpu_us(pid)
    refresh = sipp(folder, phase.replace(" ", "-"), port,
                   ["-sf", os.path.join(HERE, "register.xml"), "-inf", inf, "-r", str(options.rate), "-m", str(count), "-l", "5000", "-key", "devices", str(devices)])
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
