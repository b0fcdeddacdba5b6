"""The settings of a job that can be interrupted and goes on."""

import json
import pathlib

from keras_route.files import written_whole


def keep_to(path: pathlib.Path, told: dict) -> None:
    """Write the settings of a new job; a job that goes on must have the same.

    Args:
        path: of the JSON file in the job's folder.
        told: the settings.

    Raises:
        ValueError: the job began with other settings.
    """
    if not path.exists():
        with written_whole(path) as temporary:
            pathlib.Path(temporary).write_text(json.dumps(told, indent=1))
    earlier = json.loads(path.read_text())
    changed = [key for key in earlier | told if earlier.get(key) != told.get(key)]
    if changed:
        raise ValueError(
            f"A run goes on as it began, which '{path}' tells: repeat its call, or choose another "
            f"folder. Received: {', '.join(f'{key}={told.get(key)!r}' for key in changed)}; it "
            f"began with {', '.join(f'{key}={earlier.get(key)!r}' for key in changed)}"
        )
