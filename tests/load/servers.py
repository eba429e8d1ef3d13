"""What the load scripts have in common: servers that are started beside each other, and what they cost."""
import csv, glob, os, signal, socket, subprocess, sys, time
from contextlib import contextmanager


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tree(pid):
    """A process and all below it."""
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
    """What a server holds, pages that its processes share counted once."""
    lines = (line for process in tree(pid) for line in open(f"/proc/{process}/smaps_rollup"))
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def peak_kib(pid):
    """The most that one process has held."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


def ringpost(program, folder, site):
    """The command that serves a site."""
    path = os.path.join(folder, "site.toml")
    with open(path, "w") as file:
        file.write(site)
    return [os.path.abspath(program), "serve", "--config", path, "--log-level", "warn"]


def kamailio(folder, config, port, *more):
    return ["kamailio", "-DD", "-E", "-f", config, *more, "-l", f"udp:127.0.0.1:{port}", "-Y", folder, "-w", folder, "-P",
            os.path.join(folder, "pid")]


def end(process, how=signal.SIGTERM, patience=120):
    process.send_signal(how)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        print(f"killed: it did not end within {patience} s, so what it had still to write is lost", file=sys.stderr)
        process.kill()
        process.wait()


@contextmanager
def running(name, command, folder, ready=None):
    """A server while it is needed: up once `ready` says so, else after two seconds."""
    with open(os.path.join(folder, "log"), "a") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        if ready is None:
            time.sleep(2)
        while process.poll() is None and ready is not None and not ready():
            pass
        if process.poll() is not None:
            sys.exit(f"{name} does not start:\n" + open(os.path.join(folder, "log")).read()[-2000:])
        yield process
    finally:
        end(process)


def sipp(folder, name, port, extra):
    """sipp that plays a scenario against a port; with the file where its counts are."""
    stat = os.path.join(folder, f"{name}.csv")
    command = ["sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-p", str(free_port()),
               "-nostdin", "-trace_stat", "-stf", stat, "-fd", "1", "-timeout", "300", *extra]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), stat


def result(stat):
    rows = [row for row in csv.DictReader(open(stat), delimiter=";") if row.get("TotalCallCreated")]
    last = rows[-1] if rows else {}
    number = lambda key: int(last.get(key) or 0)
    return {"done": number("SuccessfulCall(C)"), "failed": number("FailedCall(C)"), "again": number("Retransmissions(C)")}
