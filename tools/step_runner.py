"""Runs commands, each once: what a command has finished is known by a file beside what it wrote."""
import glob
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time

NUMERICAL_STOP = 4  # exit code of bt-train: a loss or gradient was not finite


def fail(code, message):
    print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr)
    sys.exit(code)


def program(name):
    return os.path.join(os.environ["BT_BIN"], name) if os.environ.get("BT_BIN") else name


class Later:
    """Words of a command that are known once the steps before it are settled; `text` stands for them until then."""

    def __init__(self, text, words):
        self.text, self.words = text, words


class Step:
    """A command that writes `path`, a folder or a file; `proof` is a pattern of what is there once it has finished."""

    def __init__(self, path, command, files, after, proof, check=None, may_fail=()):
        """command: of words and Laters; files: what it reads; after: the steps whose results it uses, of which those of
        may_fail are waited for only; check: called when it has finished, ends the program where nothing can go on with it."""
        self.check, self.may_fail = check, set(may_fail)
        self.path, self.command, self.files, self.after, self.proof = path, command, files, after, proof
        self.state_file, self.log_file = path + ".state.json", path + ".log"
        self.known_stamp = self.state = None
        self.settled = False

    def words(self):
        """The command; None while a step it depends on is unsettled."""
        if any(isinstance(word, Later) for word in self.command) and not all(s.is_settled() for s in self.after):
            return None
        return [w for word in self.command for w in (word.words() if isinstance(word, Later) else [word])]

    def describe(self):
        words = None if self.failure() else self.words()
        return shlex.join(words or [word.text if isinstance(word, Later) else word for word in self.command])

    def stamp(self):
        """Of the command, the contents of its files, and the steps before it; None while the command is not known."""
        if self.known_stamp is None:
            words, before = self.words(), [step.stamp() for step in self.after]
            if words is not None and None not in before:
                parts = [*words, *map(file_hash, self.files), *before]
                self.known_stamp = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return self.known_stamp

    def failure(self):
        """Why there is no result and will be none, None otherwise."""
        for step in self.after:
            if step not in self.may_fail and step.failure():
                return step.failure()
        return (self.read_state() or {}).get("failed")

    def is_settled(self):
        """Finished or failed. Ends the program where `path` was made by something else."""
        if not self.settled and self.failure():
            self.settled = True
        elif not self.settled:
            state = self.read_state()
            self.settled = bool(state and state["finished"] and glob.glob(self.proof))
        return self.settled

    def read_state(self):
        """None where the command has not begun, or nothing can be said yet."""
        if self.state is None and os.path.exists(self.state_file):
            with open(self.state_file, encoding="utf-8") as file:
                state = json.load(file)
            if self.stamp() is None:
                return None
            if state["stamp"] != self.stamp():
                fail(2, f"{self.path} was begun by another command, or from another config, data or model\n"
                        f"  then: {state['command']}\n  now: {shlex.join(self.words())}\n"
                        f"  next step: delete {self.path} and {self.state_file}, or choose another --out")
            self.state = state
        return self.state

    def note(self, finished, failed=None):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self.state = {"stamp": self.stamp(), "finished": finished, "command": shlex.join(self.words())}
        if failed:
            self.state["failed"] = failed
        with open(self.state_file + ".partial", "w", encoding="utf-8") as file:
            json.dump(self.state, file, indent=1)
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
        mark = "# failed: " if step.failure() else "# finished: " if step.is_settled() else ""
        print(mark + step.describe())


def run_all(steps, jobs=1):
    """Up to `jobs` at once, in their order as far as what they depend on allows. A numerical stop of a training is noted
    and what depends on it left out; any other failure ends the program with its code, a signal with 128 + its number."""
    waiting = [step for step in steps if not step.is_settled()]  # all are looked at before any is run
    Runner(waiting, jobs).run()


class Runner:
    def __init__(self, waiting, jobs):
        self.waiting, self.jobs, self.count, self.begun = waiting, jobs, len(waiting), 0
        self.running, self.stopped_by = {}, None  # process by step; number of the signal

    def run(self):
        before = {number: signal.signal(number, self.on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        while self.running or (self.waiting and not self.stopped_by):
            self.begin_what_can()
            for step, process in list(self.running.items()):
                if process.poll() is not None:
                    del self.running[step]
                    self.settle(step, process.returncode)
            time.sleep(0.02 if self.running else 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        if self.stopped_by:
            fail(128 + self.stopped_by, "stopped; the same command goes on from here")

    def on_signal(self, number, _):
        """bt-train saves before it obeys a signal, so it is waited for. (The terminal sends Ctrl-C to all.)"""
        self.stopped_by = number
        if number == signal.SIGTERM:
            self.stop_running()

    def stop_running(self):
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)

    def begin_what_can(self):
        for step in list(self.waiting):
            if len(self.running) >= self.jobs or self.stopped_by:
                return
            if not all(earlier.is_settled() for earlier in step.after):
                continue
            self.waiting.remove(step)
            self.begun += 1
            if not step.is_settled():
                self.begin(step)

    def begin(self, step):
        print(f"== {self.begun} of {self.count}: {step.describe()}", flush=True)
        step.note(finished=False)
        words = step.words()
        os.makedirs(os.path.dirname(step.proof), exist_ok=True)
        try:
            with open(step.log_file, "ab") as log:
                self.running[step] = subprocess.Popen([program(words[0]), *words[1:]], stdout=log, stderr=log)
        except OSError as error:
            fail(2, f"{program(words[0])}: {error.strerror}\n  next step: build it, and set PATH or BT_BIN")

    def settle(self, step, code):
        if code == NUMERICAL_STOP and not self.stopped_by:
            step.note(finished=True, failed=f"numerical stop of {step.path}")
            print(f"== failed, exit code {code}: {step.log_file}", flush=True)
            return
        if code == 0 and glob.glob(step.proof):
            if step.check:
                step.check()
            step.note(finished=True)
            return
        if self.stopped_by:
            return
        self.stop_running()
        for process in self.running.values():
            process.wait()
        if code == 0:
            fail(1, f"{step.path}: no {step.proof}, so the run was stopped; the same command goes on from here")
        with open(step.log_file, encoding="utf-8", errors="replace") as log:
            print("".join(log.readlines()[-20:]), end="", file=sys.stderr)
        fail(code if code > 0 else 128 - code, f"exit code {code} of {step.describe()}\n  its output: {step.log_file}")
