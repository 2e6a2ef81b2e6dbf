"""Runs commands one after another, each once: what a command has finished is known by a file beside what it wrote."""
import glob
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys


def fail(code, message):
    print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr)
    sys.exit(code)


def program(name):
    return os.path.join(os.environ["BT_BIN"], name) if os.environ.get("BT_BIN") else name


class Step:
    """A command of bt-train or bt-eval that writes `folder`; `proof` is what the folder holds once it has finished."""

    def __init__(self, folder, command, files, after, proof):
        """files: what it reads; after: the step whose result it uses, or None."""
        self.folder, self.command, self.files, self.after, self.proof = folder, command, files, after, proof
        self.state_file = folder + ".state.json"

    def stamp(self):
        """Of the command, the contents of its files, and the steps before it."""
        parts = [*self.command, *map(file_hash, self.files), self.after.stamp() if self.after else ""]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def is_finished(self):
        """Ends the program where the folder was made by something else."""
        if not os.path.exists(self.state_file):
            return False
        with open(self.state_file, encoding="utf-8") as file:
            state = json.load(file)
        if state["stamp"] != self.stamp():
            fail(2, f"{self.folder} was begun by another command, or from another config, data or model\n"
                    f"  then: {state['command']}\n  now: {shlex.join(self.command)}\n"
                    f"  next step: delete {self.folder} and {self.state_file}, or choose another --out")
        return state["finished"] and bool(glob.glob(os.path.join(glob.escape(self.folder), self.proof)))

    def note(self, finished):
        os.makedirs(os.path.dirname(self.folder), exist_ok=True)
        with open(self.state_file + ".partial", "w", encoding="utf-8") as file:
            state = {"stamp": self.stamp(), "finished": finished, "command": shlex.join(self.command)}
            json.dump(state, file, indent=1)
        os.replace(self.state_file + ".partial", self.state_file)


hashes = {}


def file_hash(path):
    if path not in hashes:
        digest = hashlib.sha256()
        try:
            with open(path, "rb") as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
        except OSError as error:
            fail(3, f"{path}: {error.strerror}")
        hashes[path] = digest.hexdigest()
    return hashes[path]


def print_commands(steps):
    for step in steps:
        print(("# finished: " if step.is_finished() else "") + shlex.join(step.command))


def run_all(steps):
    unfinished = [step for step in steps if not step.is_finished()]  # all are looked at before any is run
    for number, step in enumerate(unfinished, 1):
        print(f"== {number} of {len(unfinished)}: {shlex.join(step.command)}", flush=True)
        step.note(finished=False)
        run(step)
        step.note(finished=True)


def run(step):
    """Ends the program with the command's code if it fails, with 128 + n where a signal stopped it. bt-train saves before
    it obeys a signal, so it is waited for. (The terminal sends Ctrl-C to both; SIGTERM is passed on.)"""
    stopped_by = []
    try:
        child = subprocess.Popen([program(step.command[0]), *step.command[1:]])
    except OSError as error:
        fail(2, f"{program(step.command[0])}: {error.strerror}\n  next step: build it, and set PATH or BT_BIN")

    def on_signal(number, _):
        stopped_by.append(number)
        if number == signal.SIGTERM:
            child.send_signal(number)
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    code = child.wait()
    for number, handler in before.items():
        signal.signal(number, handler)
    if stopped_by:
        fail(128 + stopped_by[0], "stopped; the same command goes on from here")
    if code != 0:
        fail(code if code > 0 else 128 - code, f"exit code {code} of {shlex.join(step.command)}")
    if not glob.glob(os.path.join(glob.escape(step.folder), step.proof)):
        fail(1, f"{step.folder}: no {step.proof}, so the run was stopped; the same command goes on from here")
