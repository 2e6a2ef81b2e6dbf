"""Reads columns of text from parquet, JSON Lines and text files, a few rows in memory at a time; writes JSON Lines."""
import contextlib
import gzip
import hashlib
import json
import os

from failure import BAD_FILE, USAGE, Failure

BATCH_ROWS = 1024
JSON_LINES = (".jsonl", ".jsonl.gz", ".json.gz")


def read(path, columns):
    """A tuple of strings for every row, in the order of `columns`; None where parquet has a null. A .txt file is one row
    and has one column."""
    if not os.path.isfile(path):
        raise Failure(BAD_FILE, "there is no such file", path)
    if path.endswith(".parquet"):
        return parquet_rows(path, columns)
    if path.endswith(JSON_LINES):
        return (tuple(text_field(record, name, where) for name in columns) for where, _, record in json_lines(path))
    if path.endswith(".txt") and len(columns) == 1:
        return text_rows(path)
    raise Failure(BAD_FILE, "a file of this name cannot be read", path,
                  expected=".parquet, .jsonl, .jsonl.gz, .json.gz" + (" or .txt" if len(columns) == 1 else ""))


def parquet_rows(path, columns):
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Failure(USAGE, "reading parquet needs the Python package pyarrow",
                      next_step="run this with .venv/bin/python3: tools/setup has put it there") from None
    try:
        file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)  # else the whole file is kept in memory
        check_columns(path, columns, {field.name: str(field.type) for field in file.schema_arrow})
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            yield from zip(*(batch.column(name).to_pylist() for name in columns))
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Failure(BAD_FILE, "the parquet file cannot be read", path, found=str(error)) from None


def check_columns(path, columns, types):
    for name in columns:
        if name not in types:
            raise Failure(BAD_FILE, f"there is no column '{name}'", path, found=", ".join(types))
        if types[name] not in ("string", "large_string", "string_view"):
            raise Failure(BAD_FILE, f"the column '{name}' does not hold text", path, expected="string", found=types[name])


def json_lines(path):
    """(place, line, record) for every line that is not blank; place is "file:line" for messages."""
    opened = gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")
    with opened as lines:
        try:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    where = f"{path}:{number}"
                    yield where, line, parse(line, where)
        except (EOFError, gzip.BadGzipFile) as error:
            raise Failure(BAD_FILE, "the file cannot be decompressed", path, found=str(error)) from None


def parse(line, where):
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Failure(BAD_FILE, "the line is no JSON", where, found=str(error)) from None
    if not isinstance(record, dict):
        raise Failure(BAD_FILE, "the line is no JSON object", where, found=type(record).__name__)
    return record


def text_field(record, name, where):
    if name not in record:
        raise Failure(BAD_FILE, f"there is no field '{name}'", where, found=", ".join(record))
    if not isinstance(record[name], str):
        raise Failure(BAD_FILE, f"the field '{name}' does not hold text", where, expected="a string",
                      found=type(record[name]).__name__)
    try:
        record[name].encode()
    except UnicodeEncodeError:
        raise Failure(BAD_FILE, f"the field '{name}' holds half of a surrogate pair", where) from None
    return record[name]


def text_rows(path):
    with open(path, "rb") as file:
        try:
            yield (file.read().decode(),)
        except UnicodeDecodeError as error:
            raise Failure(BAD_FILE, "the text is not UTF-8", path, found=str(error)) from None


@contextlib.contextmanager
def written(path):
    """A binary file that takes the place of `path` once it is complete; nothing is left of it on failure."""
    partial = path + ".partial"
    try:
        with open(partial, "wb") as file:
            yield file
        os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)


def write_json_lines(path, names, rows):
    """Returns the SHA-256 of the file."""
    digest = hashlib.sha256()
    with written(path) as file:
        for row in rows:
            line = (json.dumps(dict(zip(names, row)), ensure_ascii=False) + "\n").encode()
            digest.update(line)
            file.write(line)
    return digest.hexdigest()
