"""What onnxruntime and PyTorch compute of MXNet's graphs, and how far that is from MXNet's own outputs."""

import re

import numpy as np
import onnxruntime

from rectifier import mx
from rectifier.onnx import export, latest_opset

OPSETS = (9, 11, 13, 17, 18, 20, latest_opset())
# What an export says where a norm, a slope or a slice lies along an axis of free size.
NEEDS_A_SIZE = "number of channels must be known|of free size|must align with axis"
# What MXNet computes of a symbol `s` in inference.
EVALUATE = """
given = {name: mx.nd.array(array, dtype=array.dtype) for name, array in arrays.items()}
states = {name: given[name] for name in s.list_auxiliary_states()}
arguments = {name: given[name] for name in s.list_arguments()}
outputs = s.bind(mx.cpu(), arguments, aux_states=states).forward(is_train=False)
found = {str(i): output.asnumpy() for i, output in enumerate(outputs)}
"""
LARGEST_DIFFERENCE = 1e-4  # of a network in float32, relative to the largest number of the output


def in_onnxruntime(model, **arrays):
    """The outputs of a model, or of one in a file; arrays that it has no input for are left out."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    given = model.SerializeToString() if hasattr(model, "SerializeToString") else str(model)
    session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    wanted = {one.name for one in session.get_inputs()}
    return session.run(None, {name: array for name, array in arrays.items() if name in wanted})


def in_torch(module, **arrays):
    """The outputs of a module that `to_torch` made, in inference."""
    import torch  # here, so that what compares ONNX alone needs none

    module.eval()
    with torch.inference_mode():
        outputs = module(*(torch.from_numpy(arrays[name]) for name in module.input_names))
    return [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]


def difference(found, expected):
    """The largest difference, relative to the largest finite number of what is expected; inf for NaN elsewhere."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(expected)
    if not (np.isfinite(found) == finite).all():
        return np.inf
    if not finite.any():
        return 0.0
    return np.abs(found - expected)[finite].max() / max(np.abs(expected[finite]).max(), 1e-30)


def largest_difference(found, expected):
    """The largest of all outputs."""
    return max(difference(one, other) for one, other in zip(found, expected, strict=True))


def numbered(arrays):
    """The outputs among arrays by name, in order: those that are called "0", "1" and so on."""
    return [arrays[str(i)] for i in range(sum(name.isdigit() for name in arrays))]


def free_batch(shape):
    return ("N", *shape[1:])


# --- random networks

RANDOM = "import random_networks\nresult, found = random_networks.run(mx, {seed}, {steps})"


def random_case(mxnet, seed, steps=None):
    """A random network: its JSON, inputs, parameters, and MXNet's outputs."""
    told, arrays = mxnet.run(RANDOM.format(seed=seed, steps=steps))
    inputs = {name: arrays[name] for name in told["inputs"]}
    params = {name: array for name, array in arrays.items() if name not in inputs and not name.isdigit()}
    return told["json"], inputs, without_labels(params), numbered(arrays)


def without_labels(arrays):
    return {name: array for name, array in arrays.items() if not name.endswith("_label")}


def random_model(symbol, params, inputs, opset, free):
    """The exported model, and whether a free batch was refused, which needs a size that then is unknown."""
    shapes = {name: array.shape for name, array in inputs.items()}
    if not free:
        return export(symbol, params, shapes, opset), False
    rows = len(inputs["data"])
    freed = {
        name: free_batch(shape) if len(shape) > 1 and shape[0] == rows else shape for name, shape in shapes.items()
    }
    try:
        return export(symbol, params, freed, opset), False
    except ValueError as error:
        if re.search(NEEDS_A_SIZE, str(error)) is None:
            raise
        return export(symbol, params, shapes, opset), True


def random_differences(mxnet, seed, opset, steps=None):
    """How far onnxruntime and PyTorch are from MXNet on one random network; odd ones have a free batch in ONNX."""
    json, inputs, params, expected = random_case(mxnet, seed, steps)
    symbol = mx.sym.load_json(json)
    model, _ = random_model(symbol, params, inputs, opset, seed % 2)
    found = {"onnxruntime": in_onnxruntime(model, **inputs), "torch": in_torch(mx.to_torch(symbol, params), **inputs)}
    return {library: largest_difference(outputs, expected) for library, outputs in found.items()}


def failure(mxnet, seed, opset, steps=None):
    """What is wrong with a random network, or None."""
    try:
        found = random_differences(mxnet, seed, opset, steps)
    except Exception as error:  # of any library: the text names the network
        return f"{type(error).__name__}: {error}"
    return None if max(found.values()) <= LARGEST_DIFFERENCE else str(found)


def shrunk(fails, most=16):
    """The smallest number of steps with which `fails(steps)` says what is wrong, and what; None if none fails."""
    return next(((steps, text) for steps in range(1, most + 1) if (text := fails(steps)) is not None), None)


def report(mxnet, seed, opset):
    """What a failing network is, to be replayed: its seed, the fewest steps that fail, and their JSON."""
    steps, text = shrunk(lambda steps: failure(mxnet, seed, opset, steps)) or (None, failure(mxnet, seed, opset))
    json = random_case(mxnet, seed, steps)[0]
    return f"random network {seed} at opset {opset}, {steps or 'all'} steps: {text}\n{json}"
