"""How the data tools end on bad input: the message and the exit codes of the C++ programs."""
import sys

USAGE, BAD_FILE, IO = 2, 3, 6


class Failure(Exception):
    def __init__(self, code, what, where="", **parts):
        """parts: expected, found, next_step."""
        super().__init__(what)
        lines = [f"{where}: {what}" if where else what]
        lines += [f"  {label.replace('_', ' ')}: {text}" for label, text in parts.items()]
        self.code, self.message = code, "\n".join(lines)


def printable(text):
    """Text from a file must not steer the terminal it is shown on."""
    return "".join(c if c == "\n" or c.isprintable() else repr(c)[1:-1] for c in text)


def end(main):
    """Runs main() and exits with its code."""
    try:
        main()
    except Failure as failure:
        print(printable(failure.message), file=sys.stderr)
        sys.exit(failure.code)
    except OSError as error:
        print(printable(f"{error.filename}: {error.strerror}"), file=sys.stderr)
        sys.exit(IO)
