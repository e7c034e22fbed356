"""Holds answers against the faces' own document, over validators that are not Claviger's.

    check_openapi.py DOCUMENT        the document itself is checked first, as OpenAPI 3.1

Reads `{path, method, status, media, body}` per line: `path` as the document writes it, `body` the parsed JSON where `media` is
one of JSON, else absent.
"""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from lines import answer

with open(sys.argv[1], encoding="utf-8") as file:
    DOCUMENT = json.load(file)


def check(line):
    operation = DOCUMENT["paths"][line["path"]][line["method"]]
    responses = operation["responses"]
    described = responses.get(str(line["status"]), responses["default"])
    content = described.get("content", {})
    if line["media"] not in content:
        raise ValueError(f"{line['media']} is not among {list(content)}")
    schema = content[line["media"]].get("schema")
    if "json" not in line["media"] or schema is None:
        return
    # References lead from the document's root.
    whole = {**DOCUMENT, "allOf": [schema]}
    Draft202012Validator(whole).validate(line["body"])


if __name__ == "__main__":
    validate(DOCUMENT)
    answer(check)
