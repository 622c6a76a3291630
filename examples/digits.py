"""Train a small convolutional network on handwritten digits, once with each activation of rectifier.

The network is written in NumPy; `rectifier.vjp` gives the activations and their gradients. The data are
scikit-learn's 1,797 images of 8 x 8 pixels. Run `python examples/digits.py`; `--help` lists the options.
"""

import argparse
from contextlib import contextmanager
from time import perf_counter

import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtr
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import rectifier

# The parameters are the defaults, except that elu has its authors' slope of 1.
ACTIVATIONS = {"leaky": {}, "elu": {"slope": 1.0}, "selu": {}, "gelu": {}, "prelu": {}, "rrelu": {}}
COLOURS = ("#E69F00", "#0072B2", "#009E73", "#CC79A7", "#D55E00", "#000000")  # Okabe and Ito's, safe for every eye
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
BATCH, LEARNING_RATE = 64, 1e-2  # chosen by the accuracy on the held-out images, as was the number of epochs


def convolve(x, weights):
    """3 x 3 convolution with zeros around the image: (N, C, H, W) and (D, C, 3, 3) to (N, D, H, W)."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), axis=(2, 3))
    y = np.ascontiguousarray(np.tensordot(windows, weights, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2))

    def pullback(d_y):
        d_x, _ = convolve(d_y, weights.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1])
        return d_x, np.tensordot(d_y, windows, axes=((0, 2, 3), (0, 2, 3)))

    return y, pullback


def pool(x):
    """The mean of each 2 x 2 pixels."""
    rows = x[:, :, ::2] + x[:, :, 1::2]
    return (rows[..., ::2] + rows[..., 1::2]) / 4, lambda d_y: d_y.repeat(2, axis=2).repeat(2, axis=3) / 4


def cross_entropy(scores, labels):
    """The mean loss and its gradient."""
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    right = np.arange(len(labels)), labels
    loss = -np.log(p[right]).mean()
    p[right] -= 1
    return loss, p / len(labels)


def plain_numpy(name, x, d_y, gamma, rng):
    """Value and gradients as one writes them without rectifier, to compare the time."""
    if name == "gelu":
        cdf = ndtr(x)
        return x * cdf, d_y * (cdf + x * np.exp(-0.5 * x * x) * np.float32(0.3989423))
    positive = x > 0
    if name in ("elu", "selu"):
        scale, alpha = (1.0, 1.0) if name == "elu" else (1.0507010, 1.6732632)
        negative = alpha * np.expm1(np.minimum(x, 0))
        return scale * np.where(positive, x, negative), scale * d_y * np.where(positive, 1, negative + alpha)
    slope = np.float32(0.25) if gamma is None else gamma[:, None, None]
    if name == "rrelu":
        slope = rng.uniform(0.125, 0.334, x.shape).astype(np.float32)
    d_gamma = np.where(positive, 0, d_y * x).sum(axis=(0, 2, 3)) if name == "prelu" else None
    return np.where(positive, x, slope * x), np.where(positive, d_y, slope * d_y), d_gamma


class Network:
    """Two convolutions to 16 and 32 channels, each with the activation after it, pooling between, a dense layer."""

    def __init__(self, activation, rng):
        self.activation, self.rng, self.step = activation, rng, 0
        self.seconds = {"rectifier": 0.0, "plain NumPy": 0.0}
        layers = (("conv1", (16, 1, 3, 3), 9), ("conv2", (32, 16, 3, 3), 16 * 9), ("dense", (32 * 4 * 4, 10), 512))
        weights = {name: rng.standard_normal(shape) / np.sqrt(inputs) for name, shape, inputs in layers}
        if activation == "prelu":
            weights |= {"gamma1": np.full(16, 0.25), "gamma2": np.full(32, 0.25)}
        self.weights = {name: w.astype(np.float32) for name, w in weights.items()}
        self.moments = {name: (np.zeros_like(w), np.zeros_like(w)) for name, w in self.weights.items()}

    @contextmanager
    def clock(self, name):
        start = perf_counter()
        yield
        self.seconds[name] += perf_counter() - start

    def rectify(self, x, gamma, training):
        """The activation and its pullback: all that rectifier has to do here."""
        options = ACTIVATIONS[self.activation] | ({"training": True, "rng": self.rng} if training else {})
        with self.clock("rectifier"):
            y, rectifier_pullback = rectifier.vjp(x, gamma, self.activation, **options)

        def pullback(d_y):
            with self.clock("rectifier"):
                gradients = rectifier_pullback(d_y)
            with self.clock("plain NumPy"):
                plain_numpy(self.activation, x, d_y, gamma, self.rng)
            return gradients if self.activation == "prelu" else (gradients, None)

        return y, pullback

    def forward(self, images, training=False):
        """Scores for the ten digits, and the function that takes their gradient back to the weights."""
        w = self.weights
        x, back_conv1 = convolve(images, w["conv1"])
        x, back_act1 = self.rectify(x, w.get("gamma1"), training)
        x, back_pool = pool(x)
        x, back_conv2 = convolve(x, w["conv2"])
        x, back_act2 = self.rectify(x, w.get("gamma2"), training)
        flat = x.reshape(len(x), -1)

        def pullback(d_scores):
            d_x, d_gamma2 = back_act2((d_scores @ w["dense"].T).reshape(x.shape))
            d_x, d_conv2 = back_conv2(d_x)
            d_x, d_gamma1 = back_act1(back_pool(d_x))
            _, d_conv1 = back_conv1(d_x)
            d_dense = flat.T @ d_scores
            return {"conv1": d_conv1, "conv2": d_conv2, "dense": d_dense, "gamma1": d_gamma1, "gamma2": d_gamma2}

        return flat @ w["dense"], pullback

    def learn(self, images, labels, rate):
        """One step of Adam; returns the loss before it."""
        scores, pullback = self.forward(images, training=True)
        loss, d_scores = cross_entropy(scores, labels)
        gradients, self.step = pullback(d_scores), self.step + 1
        for name, (mean, square) in self.moments.items():
            mean += 0.1 * (gradients[name] - mean)
            square += 0.001 * (gradients[name] ** 2 - square)
            self.weights[name] -= rate * mean / (1 - 0.9**self.step) / (np.sqrt(square / (1 - 0.999**self.step)) + 1e-8)
        return loss

    def accuracy(self, images, labels):
        return np.mean(self.forward(images)[0].argmax(axis=1) == labels)


def load():
    """Images and labels: 1,257 to train on, 180 held out for the curves, 360 for the one test at the end."""
    digits = load_digits()
    x, y = (digits.images[:, None] / 8 - 1).astype(np.float32), digits.target
    x, test, y, test_labels = train_test_split(x, y, test_size=360, stratify=y, random_state=1797)
    x, held_out, y, held_out_labels = train_test_split(x, y, test_size=180, stratify=y, random_state=1797)
    return (x, y), (held_out, held_out_labels), (test, test_labels)


def train(activation, epochs, data, held_out):
    """The trained network, its curves (training loss, accuracy on held-out images) and the seconds it took."""
    network, curves, start = Network(activation, np.random.default_rng(0)), [], perf_counter()
    for epoch in tqdm(range(epochs), desc=f"{activation:5}", unit="epoch", disable=None):
        order, rate = network.rng.permutation(len(data[1])), LEARNING_RATE * (1 - epoch / epochs)
        batches = np.split(order, range(BATCH, len(order), BATCH))
        loss = np.mean([network.learn(data[0][batch], data[1][batch], rate) for batch in batches])
        curves.append((loss, network.accuracy(*held_out)))
    return network, np.array(curves), perf_counter() - start - network.seconds["plain NumPy"]


def draw(results, path):
    """Learning curves, and where prelu's slopes went."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    losses, accuracies, slopes = figure.subplots(1, 3)
    for (name, (_, curves, _)), colour, dashes in zip(results.items(), COLOURS, DASHES, strict=True):
        epochs, style = np.arange(1, len(curves) + 1), {"color": colour, "linestyle": dashes, "label": name}
        losses.semilogy(epochs, curves[:, 0], **style)
        accuracies.plot(epochs, 100 * curves[:, 1], **style)
    losses.set(xlabel="epoch", ylabel="cross-entropy", title="Loss in training")
    accuracies.set(xlabel="epoch", ylabel="accuracy (%)", title="Accuracy on 180 held-out images")
    for name, colour, marker in (("gamma1", COLOURS[1], "o"), ("gamma2", COLOURS[4], "s")):
        gamma = np.sort(results["prelu"][0].weights[name])
        slopes.plot(np.linspace(0, 1, len(gamma)), gamma, marker, color=colour, label=f"{name}: {len(gamma)} channels")
    slopes.axhline(0.25, color="grey", linestyle=":", label="before training")
    slopes.set(xlabel="share of channels, sorted by slope", ylabel="slope", title="Slopes that prelu has learnt")
    accuracies.legend()
    slopes.legend()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", default="digits.png", help="the figure")
    options = parser.parse_args()
    data, held_out, test = load()
    with threadpool_limits(1):  # matrices this small gain nothing from more threads
        results = {name: train(name, options.epochs, data, held_out) for name in ACTIVATIONS}
    print("activation  test accuracy  seconds  in the activation  the same in plain NumPy")
    for name, (network, _, seconds) in results.items():
        accuracy, (ours, plain) = network.accuracy(*test), network.seconds.values()
        print(f"{name:10}  {accuracy:13.1%}  {seconds:7.1f}  {ours:15.2f} s  {plain:21.2f} s")
    draw(results, options.output)
    print(f"learning curves and learnt slopes: {options.output}")


if __name__ == "__main__":
    main()
