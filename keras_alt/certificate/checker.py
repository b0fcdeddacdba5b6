"""Checks a certificate against the integers that `keras_alt.export.to_integers` wrote.

    python checker.py certificate.json folder

This file and `checker_rules.py` need Python 3.11 and NumPy, and nothing else of keras-alt. They
recompute the bounds of every sum in Python's integers, which have no limit, and compare them with
those of the certificate. The script prints what is wrong, and exits with 1 if anything is.
"""

import hashlib
import json
import os
import sys

import numpy as np

if __package__:
    from keras_alt.certificate.checker_rules import RULES, arrays, compressed, everywhere, with_zero
else:  # copied out of the package
    from checker_rules import RULES, arrays, compressed, everywhere, with_zero

FORMAT, VERSION = "keras_alt certificate", 1
KERNELS = ("convolve", "convolve_transposed", "matrix_product")
SUMS = (*KERNELS, "add_constant", "batch_matmul", "product", "window_sum", "reduce_sum") + (
    ("total", "add", "subtract", "multiply", "softmax")
)
NUMBERS = {
    "float32": (-(2**24), 2**24),
    "float32 halves": (-(2**24), 2**24),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


def program_hash(model):
    """Return the hash of the operations, the formats and the names of the constants."""
    parts = {name: model[name] for name in ("inputs", "outputs", "steps", "tensors", "constants")}
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def codes_hash(packed):
    """Return the hash of the packed codes of a constant."""
    return hashlib.sha256(np.ascontiguousarray(packed, np.uint8).tobytes()).hexdigest()


def check_folder(certificate, folder):
    """Return what is wrong with the certificate of a folder.

    Args:
        certificate: path of the certificate.
        folder: path that holds `model.json` and `weights.npz`.
    """
    with open(certificate, encoding="utf-8") as file:
        claimed = json.load(file)
    with open(os.path.join(folder, "model.json"), encoding="utf-8") as file:
        model = json.load(file)
    with np.load(os.path.join(folder, "weights.npz")) as packed:
        return problems(claimed, model, dict(packed))


def problems(claimed, model, packed):
    """Return a sentence for each thing that is wrong.

    Args:
        claimed: the certificate.
        model: `target` and the program, as `model.json` has them.
        packed: packed codes of the constants by name.
    """
    if (claimed.get("format"), claimed.get("version")) != (FORMAT, VERSION):
        return [f"the file is no certificate of version {VERSION}"]
    if "program" not in claimed:
        return [] if not claimed["proven"] else ["a model without integers has no proof"]
    if model["target"] != claimed["target"]:
        return [f"the model has target {model['target']}, the certificate {claimed['target']}"]
    if program_hash(model) != claimed["program"]:
        return ["the model has other operations or formats than the certificate"]
    return [
        *_other_codes(claimed, model, packed),
        *_other_sums(claimed, _Program(model, packed, claimed["assumed"])),
        *_other_verdict(claimed),
    ]


def _other_codes(claimed, model, packed):
    for name in model["constants"]:
        if codes_hash(packed[name]) != claimed["constants"].get(name):
            used = [s["layer"] for s in model["steps"] if _uses(s, name)]
            yield f"layer '{used[0]}': the codes of '{name}' are not those of the certificate"


def _uses(step, name):
    return any(a == {"constant": name} for a in step["attributes"].values())


def _other_sums(claimed, program):
    rows = {row["step"]: row for layer in claimed["layers"] for row in layer["sums"]}
    for number, found in program.sums().items():
        layer = program.steps[number]["layer"]
        if number not in rows:
            yield f"layer '{layer}': the certificate leaves out step {number}"
            continue
        row = rows[number]
        for name in ("low", "high", "partial"):
            if row[name] != found[name]:
                yield f"layer '{layer}': the {name} of '{row['tensor']}' follows otherwise"
        for limit in row["limits"]:
            wrong = _wrong_limit(limit, found)
            if wrong:
                yield f"layer '{layer}': {wrong} of {limit['number']} is wrong"


def _wrong_limit(limit, found):
    ends = [limit["least"], limit["most"]]
    kinds = {"float32": "narrow", "float32 halves": "halves", "int32": "narrow"}
    kinds |= {"int64": "partial", "ap_fixed": "whole"}
    if list(NUMBERS.get(limit["number"], ends)) != ends:
        return "the range"
    if limit["reached"] != found[kinds[limit["number"]]]:
        return "what is reached"
    if limit["holds"] != (ends[0] <= limit["reached"][0] and limit["reached"][1] <= ends[1]):
        return "the verdict"
    return None


def _other_verdict(claimed):
    limits = [x for layer in claimed["layers"] for row in layer["sums"] for x in row["limits"]]
    if claimed["proven"] and (claimed["open"] or not all(limit["holds"] for limit in limits)):
        yield "the certificate claims a proof although some limit does not hold"


class _Program:
    """The bounds of a program."""

    def __init__(self, model, packed, assumed):
        self.steps, self.tensors = model["steps"], model["tensors"]
        self.constants = {
            name: _codes(packed[name], about) for name, about in model["constants"].items()
        }
        self.bounds = {}
        computed = {step["output"] for step in self.steps}
        for position, tensor in enumerate(self.tensors):
            if position not in computed:
                self.bounds[position] = everywhere(tensor, tensor["low"], tensor["high"])
        for step in self.steps:
            position = step["output"]
            if str(position) in assumed:
                found = everywhere(self.tensors[position], *assumed[str(position)])
            else:
                found = self.result(step, [self.bounds[p] for p in step["inputs"]])
            self.bounds[position] = found

    def result(self, step, operands):
        """Return the bounds of what a step computes from operands within bounds."""
        attributes = {
            name: self.constants[a["constant"]][0] if isinstance(a, dict) else a
            for name, a in step["attributes"].items()
        }
        tensors = [self.tensors[p] for p in step["inputs"]]
        found = RULES[step["operation"]](operands, tensors, **attributes)
        return compressed(found, self.tensors[step["output"]]["shape"])

    def sums(self):
        """Return `low`, `high`, `partial`, `whole` and `narrow` bounds of sums by step."""
        partials, units, found = {}, {}, {}
        biased = {step["inputs"][0] for step in self.steps if step["operation"] == "add_constant"}
        for number, step in enumerate(self.steps):
            if step["operation"] not in SUMS:
                continue
            at = step["output"]
            partials[at] = low, high = arrays(self.partial(step, partials))
            units[at] = unit = self.unit(step, units)
            readers = [s["operation"] for s in self.steps if at in s["inputs"]]
            if at in biased and readers == ["add_constant"]:
                continue
            narrow = arrays((low >> unit, high >> unit))
            whole = partials[at] if step["operation"] == "softmax" else self.bounds[at]
            rows = [np.atleast_1d(a) for a in whole]
            rows = [a.reshape(-1, a.shape[-1]) for a in rows]
            found[number] = {
                "low": rows[0].min(0).tolist(),
                "high": rows[1].max(0).tolist(),
                "partial": [low.min(), high.max()],
                "whole": [whole[0].min(), whole[1].max()],
                "narrow": [narrow[0].min(), narrow[1].max()],
                "halves": self.halves(step, partials[at]),
            }
        return found

    def halves(self, step, product):
        """Return bounds of a product that is computed from two halves of its constant.

        They bound the product with the lower 8 bits, and what the sum of both halves is in steps
        of 128: twice the product in steps of 256, rounded away from zero.
        """
        if step["operation"] != "multiply":
            return None
        low = self.constants[step["attributes"]["constant"]["constant"]][0] % 256
        x = with_zero(self.bounds[step["inputs"][0]])
        least, most = arrays((x[0] * low, x[1] * low))
        ends = arrays((product[0] // 256 * 2, -(-product[1] // 256) * 2))
        return [min(least.min(), ends[0].min()), max(most.max(), ends[1].max())]

    def partial(self, step, partials):
        """Return bounds of partial sums: each term may be missing."""
        first, a = step["inputs"][0], step["attributes"]
        if step["operation"] == "softmax":
            fine, table = (self.constants[a[name]["constant"]][0] for name in ("fine", "table"))
            cells = self.tensors[first]["shape"][a["axis"] - 1]
            total = fine.max() * cells + 2 ** a["guard"] // 2
            most = max(total, table.max() * 2 ** a["bits"] + (total >> a["guard"]) // 2)
            return everywhere(self.tensors[first], 0, int(most))
        if step["operation"] != "add_constant":
            return self.result(step, [with_zero(self.bounds[p]) for p in step["inputs"]])
        left, right = a["shifts"]
        low, high = partials.get(first, with_zero(self.bounds[first]))
        bias = self.constants[a["constant"]["constant"]][0] << right
        return (low << left) + np.minimum(bias, 0), (high << left) + np.maximum(bias, 0)

    def unit(self, step, units):
        """Return log2 of what every sum of a channel is a multiple of."""
        if step["operation"] in KERNELS:
            return self.constants[step["attributes"]["kernel"]["constant"]][1]
        if step["operation"] != "add_constant":
            return 0
        left, right = step["attributes"]["shifts"]
        bias = self.constants[step["attributes"]["constant"]["constant"]][1]
        return np.minimum(left + units.get(step["inputs"][0], 0), right + bias)


def _codes(packed, about):
    """Return the codes of a constant on its finest grid, and the shifts of its channels."""
    bits, count = about["bits"], int(np.prod(about["shape"], dtype=np.int64))
    stream = np.unpackbits(packed, count=count * bits, bitorder="little").reshape(count, bits)
    codes = stream.astype(np.int64) @ (1 << np.arange(bits, dtype=np.int64))
    if about["signed"]:
        codes -= (codes >> (bits - 1)) << bits
    shifts = np.array(about.get("shifts", 0)).astype(object)
    codes = codes.reshape(about["shape"]).astype(object) << shifts
    return codes, shifts.ravel() if shifts.ndim else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    found = check_folder(*sys.argv[1:])
    sys.stdout.writelines(f"{problem}\n" for problem in found)
    sys.exit(bool(found))
