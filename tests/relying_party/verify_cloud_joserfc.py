"""The same relying parties as verify_cloud.py over another library: joserfc."""

import json

from joserfc import jws
from joserfc.jwk import import_key

from lines import answer
from verify_cloud import RULES, key_and_algorithm


def check(line):
    header = jws.extract_compact(line["jwt"].encode()).headers()
    key, algorithm = key_and_algorithm(line, header)
    token = jws.deserialize_compact(line["jwt"], import_key(key), algorithms=[algorithm])
    RULES[line["profile"]](line, token.headers(), json.loads(token.payload))


if __name__ == "__main__":
    answer(check)
