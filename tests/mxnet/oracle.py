"""MXNet 1.6.0's LeakyReLU behind a pair of pipes; `.venv-mxnet` runs this file and `mxnet_process.Oracle` talks to it.

A request comes on standard input, its reply goes to standard output, until the input ends. A message is

    4 bytes      the length of the header, unsigned, little-endian
    header       JSON, an object; its "arrays" lists [name, dtype, shape] of each array, dtype as in '<f4'
    arrays       the bytes of each array in that order, in C order, with nothing in between

A float32 block of 1 Mi elements is a header of some hundred bytes and 4 MiB. Requests:

    do           what happens
    "value"      reply with `output`, in inference and without a gradient's record
    "gradients"  reply with `output`, `d_data`, and `d_gamma` (prelu) or `mask` (rrelu, its second output)
    "time"       run `what`, "value" or "gradients", `repeats` times after one unmeasured call, and reply with "seconds"
                 of each; "gradients" repeats the backward pass alone; "out": true writes the value to one array

    "run"        execute `code`, in which `mx` is MXNet and `arrays` are the request's; reply with what it leaves in
                 `result`, which is JSON, and in the dictionary of arrays `found`

Arrays: `data`; `gamma` for prelu; `head`, the gradient of the output, ones if absent. Other fields: act_type, slope,
lower_bound, upper_bound, as for `mx.nd.LeakyReLU` and absent for MXNet's defaults; "training", false unless given;
"np_shape": true allows sizes of zero and arrays without dimensions. A call that MXNet refuses is answered by
{"error": its message}. A call that crashes MXNet ends the process.
"""

import os
import time

from mxnet_process import receive, send

PARAMETERS = ("act_type", "slope", "lower_bound", "upper_bound")


def main():
    """Answer requests until the input ends."""
    # What MXNet prints must not get among the messages.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import mxnet as mx

    while True:
        try:
            header, arrays = receive(requests)
        except EOFError:
            return
        try:
            reply = answer(mx, header, arrays)
        except Exception as error:  # MXNet's errors are of several types; the client gets the words of any.
            reply = {"error": f"{type(error).__name__}: {error}"}, {}
        send(replies, *reply)


def answer(mx, header, arrays):
    """The reply to one request: header and arrays."""
    mx.util.set_np_shape(header.get("np_shape", False))
    if header["do"] == "run":
        return run(mx, header["code"], arrays)
    call = Call(mx, header, arrays)
    if header["do"] in ("value", "gradients"):
        arrays = {"output": call.value()[0].asnumpy()} if header["do"] == "value" else call.gradients()
        mx.nd.waitall()  # An empty array waits for nothing: without this, MXNet could crash after the reply.
        return {}, arrays
    if header["do"] == "time":
        return {"seconds": call.seconds(header["what"], header["repeats"], header.get("out", False))}, {}
    raise ValueError(f"unknown request {header['do']!r}")


def run(mx, code, arrays):
    """What a program leaves in `result` and `found`."""
    scope = {"mx": mx, "arrays": arrays, "result": None, "found": {}}
    with mx.name.NameManager():
        exec(code, scope)
    mx.nd.waitall()
    return {"result": scope["result"]}, scope["found"]


class Call:
    """One call of the operator, with its arrays in MXNet's hands."""

    def __init__(self, mx, header, arrays):
        self.mx = mx
        self.arrays = {name: mx.nd.array(array, dtype=array.dtype) for name, array in arrays.items()}
        self.head = self.arrays.pop("head", None)
        self.parameters = {name: header[name] for name in PARAMETERS if name in header}
        self.training = header.get("training", False)

    def value(self, **options):
        """The outputs: one, or output and mask for rrelu."""
        outputs = self.mx.nd.LeakyReLU(*self.arrays.values(), **self.parameters, **options)
        return outputs if isinstance(outputs, list) else [outputs]

    def recorded(self):
        for array in self.arrays.values():
            array.attach_grad()
        with self.mx.autograd.record(train_mode=self.training):
            return self.value()

    def backward(self, output, retain_graph=False):
        output.backward(self.head, retain_graph=retain_graph, train_mode=self.training)
        for array in self.arrays.values():
            array.grad.wait_to_read()

    def gradients(self):
        outputs = self.recorded()
        self.backward(outputs[0])
        result = dict(zip(("output", "mask"), outputs, strict=False))
        result.update((f"d_{name}", array.grad) for name, array in self.arrays.items())
        return {name: array.asnumpy() for name, array in result.items()}

    def seconds(self, what, repeats, with_out):
        """The durations of single calls, after one that allocates and warms up."""
        outputs = self.recorded() if what == "gradients" else self.value()
        options = {"out": outputs if len(outputs) > 1 else outputs[0]} if with_out else {}

        def run():
            if what == "gradients":
                self.backward(outputs[0], retain_graph=True)
            else:
                self.value(**options)[0].wait_to_read()

        run()
        return [timed(run) for _ in range(repeats)]


def timed(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
