"""Starts a testbed of real processes on loopback for the benchmarks: an orchestrator, devices, servers."""
import json
import os
import subprocess
import time


def programs(build):
    """Paths of the three programs in a build directory."""
    return {
        "orchestrator": os.path.join(build, "orchestrator", "handoff-orchestrator"),
        "device": os.path.join(build, "mobile-node", "handoff-mobile-node"),
        "server": os.path.join(build, "edge-server", "handoff-edge-server"),
    }


class Testbed:
    """One run over TCP. `count` devices in each mobile process."""

    def __init__(self, build, arguments, devices=10, servers=3, count=1):
        paths = programs(build)
        self.orchestrator = subprocess.Popen(
            [paths["orchestrator"], "run", "--json", "--quiet", "--die-with-parent", "-n", str(devices), "-m",
             str(servers), *arguments], stdout=subprocess.PIPE, text=True)
        line = self.orchestrator.stdout.readline()
        if not line.startswith("READY port="):
            raise SystemExit("the orchestrator did not start: %r" % line)
        address = "127.0.0.1:" + line.strip().split("=")[1]
        self.nodes = [
            subprocess.Popen([paths["server"], "--orchestrator", address, "--die-with-parent"], stdout=subprocess.DEVNULL)
            for _ in range(servers)]
        self.nodes += [
            subprocess.Popen([paths["device"], "--orchestrator", address, "--die-with-parent", "--count",
                              str(min(count, devices - first))]) for first in range(0, devices, count)]

        self.ended = None  # when the orchestrator had

    def finish(self):
        """Waits for the end; returns the run's summary row."""
        text = self.orchestrator.stdout.read()
        status = self.orchestrator.wait()
        self.ended = time.monotonic()
        for node in self.nodes:
            node.wait()
        if status != 0:
            raise SystemExit("the orchestrator ended with status %d" % status)
        return json.loads(text)[0]


def private_bytes(pid):
    """Memory that only this process holds."""
    total = 0
    with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as rollup:
        for line in rollup:
            if line.startswith("Private_"):
                total += int(line.split()[1]) * 1024
    return total


def peak_bytes(pid):
    """Largest resident size so far, or 0 once the process is gone."""
    try:
        with open("/proc/%d/status" % pid, encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def machine():
    """One line on what was measured where."""
    with open("/proc/cpuinfo", encoding="ascii") as info:
        model = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    return "%s, %d cores, load %.1f, %s" % (model, os.cpu_count(), os.getloadavg()[0],
                                           time.strftime("%Y-%m-%d", time.gmtime()))
