"""Reads exports with other people's libraries: readers.py KIND FILE [SCHEMA]; prints what it found.

KIND is junit (lxml against an XML Schema, then junitparser), hlog (HdrHistogram's reader for Python), or
bmf, gha, json (jsonschema; the first two against what their tools publish, said in our own words).
"""

import json
import sys

NUMBER = {"type": "number"}
TEXT = {"type": "string"}

# Bencher Metric Format, version 0: benchmark, measure, value and its bounds.
BMF = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "required": ["value"],
            "properties": {"value": NUMBER, "lower_value": NUMBER, "upper_value": NUMBER},
            "additionalProperties": False,
        },
    },
}

# github-action-benchmark, customSmallerIsBetter and customBiggerIsBetter; an empty list is an error.
GHA = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["name", "value", "unit"],
        "properties": {"name": TEXT, "value": NUMBER, "unit": TEXT, "range": TEXT, "extra": TEXT},
        "additionalProperties": False,
    },
}


def junit(path, schema):
    from junitparser import JUnitXml
    from lxml import etree

    etree.XMLSchema(etree.parse(schema)).assertValid(etree.parse(path))
    root = JUnitXml.fromfile(path)
    cases = [case for suite in root for case in suite]
    results = [type(result).__name__ for case in cases for result in case.result]
    print(json.dumps({"cases": len(cases), **{name: results.count(name) for name in set(results)}}))


def hlog(path, _):
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader

    reader = HistogramLogReader(path, HdrHistogram(1, 3_600_000_000_000, 3))
    tags, total, count, largest = set(), 0, 0, 0
    while (histogram := reader.get_next_interval_histogram()) is not None:
        tags.add(histogram.get_tag())
        total += histogram.get_total_count()
        largest = max(largest, histogram.get_max_value())
        count += 1
    print(json.dumps({"histograms": count, "tags": len(tags), "total": total, "max": largest}))


def validated(path, schema):
    import jsonschema

    with open(path, encoding="utf-8") as file:
        text = file.read()

    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    value = json.loads(text, parse_constant=refuse)
    jsonschema.Draft202012Validator(schema).validate(value)
    print(json.dumps({"entries": len(value)}))


def schema_of(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


KINDS = {
    "junit": junit,
    "hlog": hlog,
    "bmf": lambda path, _: validated(path, BMF),
    "gha": lambda path, _: validated(path, GHA),
    "json": lambda path, schema: validated(path, schema_of(schema)),
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
