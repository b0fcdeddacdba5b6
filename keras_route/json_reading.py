"""Reading of JSON that anybody may have written."""

import json
from typing import TextIO


def load_json(file: TextIO, **options):
    """Return what a JSON file holds; `options` are those of `json.load`.

    Raises:
        ValueError: the file is not JSON, or lists lie in lists too deeply.
    """
    try:
        return json.load(file, **options)
    except RecursionError as error:
        raise ValueError("lists or objects of JSON lie in each other too deeply") from error
