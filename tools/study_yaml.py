"""Strict YAML: duplicate, unknown and misspelt keys and values of another type are refused with their place."""
import difflib
import re

from step_runner import fail

try:
    import yaml
except ImportError:
    fail(2, "PyYAML is missing\n  next step: .venv/bin/python3 tools/study.py … (tools/setup installs it there), "
            "or pip install pyyaml")

FREE = "FREE"  # a mapping of any keys to scalars or lists, such as settings of bt-train


class Loader(yaml.SafeLoader):
    """Scalars as YAML 1.2 and bt-train read them: `on` is a word, 4e-3 a number."""
    yaml_implicit_resolvers = {}

    def construct_mapping(self, node, deep=False):
        names = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if names.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} stands here twice",
                                                        key.start_mark)
        return super().construct_mapping(node, deep)


for tag, pattern, first in (("bool", "true|false", "tf"), ("null", "~|null|", ["~", "n", ""]),
                            ("int", "[-+]?[0-9]+", "-+0123456789"),
                            ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789")):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), list(first))


def parse(text, source):
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        fail(2, f"{source}: {error}")


def lines(text):
    """{path of keys: line}, from 1."""
    found = {}

    def visit(node, path):
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                found[path + (key.value,)] = key.start_mark.line + 1
                visit(value, path + (key.value,))
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                found[path + (str(number),)] = value.start_mark.line + 1
                visit(value, path + (str(number),))
    visit(yaml.compose(text, Loader=Loader), ())
    return found


class Checker:
    """Compares values with a schema: a type or tuple of types; a set of words; [schema] for lists; a dict of schemas by key,
    "*" for any name; FREE."""

    def __init__(self, source, line_of):
        self.source, self.line_of = source, line_of

    def refuse(self, path, message):
        place = ".".join(path) or "top"
        line = self.line_of.get(tuple(path))
        fail(2, f"{self.source}{f':{line}' if line else ''}: {place}: {message}")

    def check(self, value, schema, path=()):
        if schema == FREE:
            self.check_settings(value, path)
        elif isinstance(schema, dict):
            self.check_mapping(value, schema, path)
        elif isinstance(schema, list):
            if not isinstance(value, list):
                self.refuse(path, f"expected a list, found {value!r}")
            for number, item in enumerate(value):
                self.check(item, schema[0], path + (str(number),))
        elif isinstance(schema, set):
            if value not in schema:
                self.refuse(path, f"expected {' or '.join(sorted(schema))}, found {value!r}{nearest(value, schema)}")
        else:
            self.check_type(value, schema if isinstance(schema, tuple) else (schema,), path)

    def check_type(self, value, types, path):
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            names = {int: "an integer", str: "a text", float: "a number", bool: "true or false"}
            self.refuse(path, f"expected {' or '.join(names[t] for t in types)}, found {value!r}")

    def check_mapping(self, value, schema, path):
        if not isinstance(value, dict):
            self.refuse(path, f"expected a mapping, found {value!r}")
        for key, inner in value.items():
            if "*" not in schema and key not in schema:
                self.refuse(path + (str(key),), f"unknown key{nearest(key, schema)}; keys here: {', '.join(schema)}")
            self.check(inner, schema.get(key, schema.get("*")), path + (str(key),))

    def check_settings(self, value, path):
        if not isinstance(value, dict):
            self.refuse(path, f"expected settings, key: value, found {value!r}")
        for key, inner in value.items():
            if isinstance(inner, dict):
                self.refuse(path + (key,), f"write settings with dots, {key}.{next(iter(inner), 'key')}: …")


def nearest(word, words):
    found = difflib.get_close_matches(str(word), sorted(words), 1, 0.5)
    return f" (did you mean {found[0]}?)" if found else ""


def as_text(value):
    """A value as bt-train takes it on its command line."""
    if isinstance(value, list):
        return "[" + ", ".join(map(as_text, value)) + "]"
    return {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else str(value)
