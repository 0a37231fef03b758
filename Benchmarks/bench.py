"""Starts cri-shim and the grpc-go peer, measures both in turn, and prints medians and ratios. Run by Benchmarks/run."""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(os.environ.get("ROUNDS", "5"))
LENGTH = os.environ.get("SECONDS_EACH", "2")
CALLERS = [int(n) for n in os.environ.get("CALLERS", "1,8,64").split(",")]
# (call, figure, callers, limit): what has to hold of ours / peer's.
GOALS = [
    ("CPUPerCall", 64, "at most", 0.7),
    ("PerSecond", 64, "at least", 1.1),
    ("P50", 1, "at most", 1.0),
]


def say(text):
    print(text, flush=True)


class Bench:
    def __init__(self, binaries, go):
        self.binaries, self.go = binaries, go
        self.work = tempfile.mkdtemp(prefix="vzbench.")
        self.processes = []
        self.engine = None

    def start(self, *command, env=None):
        name = os.path.basename(command[0])
        log = open(os.path.join(self.work, name + ".log"), "wb")
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(env or {})})
        self.processes.append((name, process))
        return process

    def wait_for(self, path, process):
        end = time.monotonic() + 30
        while not os.path.exists(path):
            if process.poll() is not None or time.monotonic() > end:
                self.show_logs()
                sys.exit(f"{path} did not appear")
            time.sleep(0.05)

    def show_logs(self):
        for name, _ in self.processes:
            with open(os.path.join(self.work, name + ".log"), errors="replace") as log:
                sys.stderr.write(f"--- {name}\n" + "".join(log.readlines()[-15:]))

    def load(self, socket, *arguments):
        command = [os.path.join(self.go, "load"), "-socket", socket, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            self.show_logs()
            sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def run(self):
        engine = os.path.join(self.work, "engine")
        os.mkdir(engine)
        self.engine = engine
        say("starting a private Docker Engine")
        host = subprocess.run(
            ["scripts/docker-engine", "start", engine], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        if host.startswith("/"):
            host = "unix://" + host
        docker = {"DOCKER_HOST": host}
        tree = os.path.join(self.work, "image")
        os.makedirs(os.path.join(tree, "bin"))
        shutil.copy(shutil.which("busybox"), os.path.join(tree, "bin", "sleep"))
        tar = subprocess.Popen(["tar", "-C", tree, "--owner=0", "--group=0", "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(["docker", "import", "-", "vzcri-bench:1"], stdin=tar.stdout, stdout=subprocess.DEVNULL,
                       env={**os.environ, **docker}, check=True)
        tar.wait()

        ours_socket = os.path.join(self.work, "cri.sock")
        ours = self.start(
            os.path.join(self.binaries, "cri-shim"), "serve", "--listen", "unix://" + ours_socket,
            "--root", os.path.join(self.work, "root"), "--docker-host", host, "--log-level", "warning")
        self.wait_for(ours_socket, ours)
        pods = os.path.join(self.work, "pods")
        os.mkdir(pods)
        adapter = self.start(
            os.path.join(self.binaries, "vk-adapter"), "run", "--standalone", "--cri", "unix://" + ours_socket,
            "--pod-manifest-path", pods, "--root", os.path.join(self.work, "adapter"), "--kubelet-port", "0",
            "--log-level", "warning")
        time.sleep(10)  # idle is what is measured here
        if adapter.poll() is not None:
            self.show_logs()
            sys.exit("vk-adapter ended")
        idle = {"cri-shim": memory(ours.pid), "vk-adapter": memory(adapter.pid)}
        adapter.terminate()
        adapter.wait()

        say("creating 100 containers through the CRI")
        self.load(ours_socket, "fill", "-image", "vzcri-bench:1", "-logs", os.path.join(self.work, "logs"))
        listing = os.path.join(self.work, "list.bin")
        say("both servers list " + self.load(ours_socket, "dump", "-out", listing).strip())
        peer_socket = os.path.join(self.work, "peer.sock")
        peer = self.start(os.path.join(self.go, "peer"), "-socket", peer_socket, "-from", listing)
        self.wait_for(peer_socket, peer)

        servers = [("ours", ours_socket, ours.pid), ("peer", peer_socket, peer.pid)]
        figures = {}
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}")
            for call in ("Version", "ListContainers"):
                for callers in CALLERS:
                    # Who goes first changes from round to round.
                    for name, socket, pid in servers if number % 2 == 0 else servers[::-1]:
                        result = json.loads(self.load(
                            socket, "measure", "-pid", str(pid), "-call", call, "-callers", str(callers),
                            "-for", LENGTH + "s"))
                        figures.setdefault((call, callers, name), []).append(result)
        self.report(figures)
        self.codec(listing)
        say("\nIdle memory, MiB             RssAnon    PSS")
        for name, (anonymous, proportional) in idle.items():
            say(f"  {name:<26} {anonymous:7.1f} {proportional:6.1f}")
        anonymous, proportional = memory(ours.pid)
        say(f"  {'cri-shim, 100 containers':<26} {anonymous:7.1f} {proportional:6.1f}   (after the load)")

    def report(self, figures):
        def median(call, callers, name, key):
            return statistics.median(one[key] for one in figures[call, callers, name])

        say(f"\nMedians of {ROUNDS} interleaved runs, one connection (ours / grpc-go = ratio)")
        say(f"{'call':<15} {'callers':>7}   {'calls/s':^26}   {'p50, us':^24}   {'server CPU us/call':^24}")
        for call in ("Version", "ListContainers"):
            for callers in CALLERS:
                cells = []
                for key, width in (("PerSecond", 8), ("P50", 7), ("CPUPerCall", 7)):
                    a, b = median(call, callers, "ours", key), median(call, callers, "peer", key)
                    cells.append(f"{a:{width}.0f} / {b:{width}.0f} = {a / b:4.2f}")
                say(f"{call:<15} {callers:>7}   " + "   ".join(cells))
        say("")
        for call in ("Version", "ListContainers"):
            for key, callers, word, limit in GOALS:
                if callers not in CALLERS:
                    continue
                ratio = median(call, callers, "ours", key) / median(call, callers, "peer", key)
                met = ratio <= limit if word == "at most" else ratio >= limit
                say(f"{call:<15} {key:<10} at {callers:>2} callers: {ratio:4.2f}x, wanted {word} {limit}x: "
                    + ("yes" if met else "NO"))

    def codec(self, listing):
        theirs = json.loads(subprocess.run(
            [os.path.join(self.go, "load"), "codec", "-from", listing], check=True, capture_output=True, text=True).stdout)
        ours = json.loads(subprocess.run(
            [os.path.join(self.binaries, "proto-bench"), listing], check=True, capture_output=True, text=True).stdout)
        say("\nThe 100-container list, %d bytes (ours / Go = ratio, us)" % ours["bytes"])
        for what in ("encode", "decode"):
            say(f"  {what}  {ours[what]:6.0f} / {theirs[what]:6.0f} = {ours[what] / theirs[what]:4.2f}")

    def stop(self):
        for name, process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        if self.engine:
            subprocess.run(["scripts/docker-engine", "stop", self.engine], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.work, ignore_errors=True)


def memory(pid):
    """RssAnon and PSS of a process in MiB."""
    def field(name, key):
        with open(f"/proc/{pid}/{name}") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(key + ":")) / 1024
    return field("status", "RssAnon"), field("smaps_rollup", "Pss")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, help="directory of the release binaries")
    parser.add_argument("--go", required=True, help="directory of the Go binaries")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = Bench(arguments.bin, arguments.go)
    try:
        bench.run()
    finally:
        bench.stop()


main()
