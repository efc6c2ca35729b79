"""Check a recurrent layer in another language or library against rnncheck's cases; this one is numpy alone, no torch, no rnncheck.

    rnncheck cases GRU -o gru.safetensors
    python examples/check_port.py gru.safetensors

``gru`` stands for your port; ``read`` and ``check`` are what a port needs, in any language.
"""

import json
import struct
import sys

import numpy as np

DTYPES = {"F32": np.float32, "F64": np.float64}


def read(path):
    """Return (description, tensors by name) of a safetensors file: 8 bytes of length, a JSON header, the numbers."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(length)), file.read()
    told = json.loads(header.pop("__metadata__")["rnncheck_cases"])
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return told, tensors


def check(told, tensors, layer):
    """Yield a line for each number of ``layer``'s results that is farther from the truth than it may be: the worst of each part."""
    for place, case in enumerate(told["cases"]):
        of_case = {name.split("/", 1)[1]: value for name, value in tensors.items() if name.startswith(f"{place}/")}
        parameters = {name.removeprefix("parameter/"): v for name, v in of_case.items() if name.startswith("parameter/")}
        for part, actual in layer(case, parameters, of_case["input"], of_case["h_0"]).items():
            error = np.abs(actual - of_case[f"expected/{part}"])
            ratio = error - of_case[f"allowed/{part}"]
            if ratio.size and not ratio.max() <= 0:
                at = tuple(int(i) for i in np.unravel_index(ratio.argmax(), ratio.shape))
                yield f"case {place}: {part}{list(at)} = {actual[at]:.6g}, but should be {of_case[f'expected/{part}'][at]:.6g}"


def sigmoid(x):
    """Return 1 / (1 + exp(-x)), by tanh, which does not overflow."""
    half = x.dtype.type(0.5)
    return half * np.tanh(half * x) + half


def gru(case, parameters, input, h_0):
    """Return output (time, batch, directions * hidden) and h_n (layers * directions, batch, hidden); a GRU as torch has it."""
    lengths = np.array(case["lengths"] or [len(input)] * input.shape[1])
    x, h_n = input, []
    for layer in range(case["num_layers"]):
        halves = []
        for suffix in ("", "_reverse") if case["bidirectional"] else ("",):
            w_ih, w_hh, b_ih, b_hh = (
                parameters.get(f"{name}_l{layer}{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            h, outputs = h_0[len(h_n)], np.zeros((*x.shape[:2], case["hidden_size"]), x.dtype)
            for t in reversed(range(len(x))) if suffix else range(len(x)):
                a, u = x[t] @ w_ih.T, h @ w_hh.T
                a, u = (a, u) if b_ih is None else (a + b_ih, u + b_hh)
                (a_r, a_z, a_n), (u_r, u_z, u_n) = np.split(a, 3, -1), np.split(u, 3, -1)
                r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
                new = (1 - z) * np.tanh(a_n + r * u_n) + z * h
                alive = (t < lengths)[:, None]
                h = np.where(alive, new, h)
                outputs[t] = np.where(alive, new, 0)
            halves.append(outputs)
            h_n.append(h)
        x = np.concatenate(halves, -1)
    return {"output": x, "h_n": np.stack(h_n)}


if __name__ == "__main__":
    wrong = list(check(*read(sys.argv[1]), gru))
    print("\n".join(wrong) or "every number of every case is within what is allowed")
    sys.exit(bool(wrong))
