"""The eight orientations of DEF, as matrices and as moves of boxes."""

import numpy as np

from keras_route.formats.lefdef.statements import Statement

TURNS = {  # the matrix of each orientation, applied to (x, y)
    "N": ((1, 0), (0, 1)),
    "W": ((0, -1), (1, 0)),
    "S": ((-1, 0), (0, -1)),
    "E": ((0, 1), (-1, 0)),
    "FN": ((-1, 0), (0, 1)),
    "FW": ((0, 1), (1, 0)),
    "FS": ((1, 0), (0, -1)),
    "FE": ((0, -1), (-1, 0)),
}
IN_OTHER_FORMATS = {
    "R0": "N",
    "R90": "W",
    "R180": "S",
    "R270": "E",
    "MY": "FN",
    "MX": "FS",
    "MX90": "FW",
    "MXR90": "FW",
    "MY90": "FE",
    "MYR90": "FE",
}


def orientation(statement: Statement, word: str) -> str:
    """Return an orientation, checked."""
    if word not in TURNS:
        meant = IN_OTHER_FORMATS.get(word)
        hint = f"write {meant} for {word}" if meant else "correct it"
        raise statement.error(
            f"An orientation of DEF is one of {', '.join(TURNS)}: {hint}.", repr(word)
        )
    return word


def turned(boxes: np.ndarray, orientation: str) -> np.ndarray:
    """Return boxes (n, 4) turned about the origin."""
    turn = np.array(TURNS[orientation])
    corners = boxes.reshape(-1, 2, 2) @ turn.T
    return np.concatenate((corners.min(axis=1), corners.max(axis=1)), axis=1)
