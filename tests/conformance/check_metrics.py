"""Reads a page of metrics from stdin and says what Prometheus or its linter would object to.

The text format is parsed strictly; names, units and types are held against the conventions that
`promtool check metrics` knows. Where promtool is installed it has its say too.
"""
import re
import shutil
import subprocess
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)$")
# Not base units, or abbreviations of units.
BAD_UNITS = {"milliseconds", "microseconds", "nanoseconds", "minutes", "hours", "days", "ms", "us", "ns", "sec",
             "s", "kilobytes", "megabytes", "kib", "mib", "kb", "mb", "bits", "percent"}
BAD_LABELS = {"le", "quantile", "job", "instance"}


def family_of(name, types):
    for suffix in ("_sum", "_count", "_bucket"):
        if name.endswith(suffix) and types.get(name[: -len(suffix)]) in ("summary", "histogram"):
            return name[: -len(suffix)]
    return name


def lint(name, kind, help_text):
    words = name.split("_")
    if kind == "counter" and words[-1] != "total":
        yield f"{name}: a counter ends in _total"
    if kind != "counter" and words[-1] == "total":
        yield f"{name}: only a counter ends in _total"
    if BAD_UNITS & set(words):
        yield f"{name}: not a base unit: {BAD_UNITS & set(words)}"
    if kind in words:
        yield f"{name}: has its type in its name"
    if name != name.lower() or not name.startswith("center_"):
        yield f"{name}: is center_ and lower case"
    if not help_text:
        yield f"{name}: no help"
    if words[-1] in ("count", "sum", "bucket", "info") and name != "center_build_info":
        yield f"{name}: reserved suffix"


def check(text):
    helps, types, seen, current, done = {}, {}, set(), None, set()
    if not text.endswith("\n"):
        yield "the last line does not end"
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, *rest = line.split(" ", 3)
            if name in helps:
                yield f"{name}: two HELP"
            helps[name] = rest[0] if rest else ""
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name in types or kind not in ("counter", "gauge", "summary", "histogram"):
                yield f"bad: {line}"
            types[name] = kind
            continue
        sample = SAMPLE.match(line)
        if not sample:
            yield f"no sample: {line!r}"
            continue
        name, labels, value = sample.groups()
        family = family_of(name, types)
        if family != current:
            if family in done:
                yield f"{family}: its samples are not together"
            done.add(family)
            current = family
        if family not in types or family not in helps:
            yield f"{family}: no TYPE or HELP before its samples"
        if (name, labels) in seen:
            yield f"{line}: twice"
        seen.add((name, labels))
        for label in re.findall(r"([a-zA-Z_]\w*)=\"", labels or ""):
            if label in BAD_LABELS:
                yield f"{name}: label {label} is Prometheus' own"
        number = float(value)
        if types.get(family) == "counter" and not number >= 0:
            yield f"{line}: a counter below 0"
    if not seen:
        yield "no samples at all"
    for name, kind in types.items():
        yield from lint(name, kind, helps.get(name, ""))


def main():
    text = sys.stdin.read()
    wrong = list(check(text))
    if shutil.which("promtool"):
        tool = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
        if tool.returncode:
            wrong.append(tool.stdout + tool.stderr)
    print("\n".join(wrong))
    return bool(wrong)


sys.exit(main())
