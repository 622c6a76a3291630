"""Train a small network of PyTorch on handwritten digits with PReLU and RReLU: torch's own, then rectifier's.

`rectifier.torch.convert` swaps the activations of the model; nothing else changes. The data are scikit-learn's 1,797
images of 8 x 8 pixels, shown at twice the size. Run `python examples/torch_digits.py`; `--help` lists the options.
"""

import argparse
import copy
from statistics import median
from time import perf_counter

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from tqdm import tqdm

import rectifier.torch

ACTIVATIONS = {"prelu": nn.PReLU, "rrelu": lambda channels: nn.RReLU()}
COLOURS = {"torch.nn": "#D55E00", "rectifier": "#0072B2"}  # Okabe and Ito's, safe for every eye
BATCH, LEARNING_RATE = 64, 2e-3


def network(activation):
    """Four convolutions in two blocks, each with the activation after it, and a dense layer."""
    layers, before = [], 1
    for channels in (16, 32):
        for _ in range(2):
            layers += [nn.Conv2d(before, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)]
            layers += [ACTIVATIONS[activation](channels)]
            before = channels
        layers += [nn.AvgPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 4 * 4, 10))


def load():
    """Images of 16 x 16 pixels and labels: to train on, and to test with."""
    digits = load_digits()
    images = torch.tensor(digits.images / 8 - 1, dtype=torch.float32)[:, None]
    images = nn.functional.interpolate(images, scale_factor=2, mode="bilinear")
    labels = torch.tensor(digits.target)
    x, x_test, y, y_test = train_test_split(images, labels, test_size=360, stratify=labels, random_state=1797)
    return (x, y), (x_test, y_test)


def kept_megabytes(model, images):
    """What autograd keeps of the model's forward pass for the gradient; each memory counts once."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        _scores = model(images)  # held, so that no memory is given out twice
    return sum(size for pointer, size in kept.items() if pointer not in own) / 1e6


def seconds_in_activations(model, images):
    """The time of one training step in the activations, value and gradient, each on the input that it gets."""
    total, x = 0.0, images
    with torch.no_grad():
        inputs = []
        for layer in model:
            inputs.append(x)
            x = layer(x)
    for layer, x in zip(model, inputs, strict=True):
        if isinstance(layer, (nn.PReLU, nn.RReLU)):
            leaf, d_y = x.requires_grad_(), torch.ones_like(x)
            times = []
            for _ in range(9):
                begin = perf_counter()
                layer(leaf).backward(d_y)
                times.append(perf_counter() - begin)
            total += median(times)
    return total


def train(model, epochs, data, label):
    """The losses of the epochs, and the seconds that they took."""
    torch.manual_seed(0)
    optimizer, (images, labels) = torch.optim.Adam(model.parameters(), LEARNING_RATE), data
    losses, start = [], perf_counter()
    for _ in tqdm(range(epochs), desc=f"{label:17}", unit="epoch", disable=None):
        total = 0.0
        for batch in torch.randperm(len(labels)).split(BATCH):
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / len(labels))
    return losses, perf_counter() - start


def run(activation, epochs, data, test):
    """One activation, by torch and by rectifier, from the same weights: a dictionary of results for each."""
    torch.manual_seed(0)
    theirs = network(activation)
    ours = copy.deepcopy(theirs)
    print(rectifier.torch.convert(ours))
    results = {}
    for name, model in (("torch.nn", theirs), ("rectifier", ours)):
        losses, seconds = train(model, epochs, data, f"{activation} {name}")
        cost = kept_megabytes(model, data[0][:BATCH]), 1e3 * seconds_in_activations(model, data[0][:BATCH])
        model.eval()
        with torch.no_grad():
            accuracy = (model(test[0]).argmax(1) == test[1]).float().mean().item()
        results[name] = {"model": model, "losses": losses, "row": (accuracy, seconds, *cost)}
    return results


def draw(results, path):
    """Losses of all four trainings, and where PReLU's slopes went."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, slopes = figure.subplots(1, 2)
    for activation, dashes in (("prelu", "-"), ("rrelu", "--")):
        for name, result in results[activation].items():
            epochs = range(1, len(result["losses"]) + 1)
            losses.semilogy(epochs, result["losses"], dashes, color=COLOURS[name], label=f"{activation}, {name}")
    for name, marker in (("torch.nn", "o"), ("rectifier", "x")):
        modules = [m for m in results["prelu"][name]["model"] if isinstance(m, nn.PReLU)]
        learnt = torch.cat([m.weight.detach().sort().values for m in modules])
        slopes.plot(learnt.numpy(), marker, markersize=4, color=COLOURS[name], label=name)
    slopes.axhline(0.25, color="grey", linestyle=":", label="before training")
    losses.set(xlabel="epoch", ylabel="cross-entropy", title="Loss in training")
    slopes.set(
        xlabel="channel, sorted within each of the four layers", ylabel="slope", title="Slopes that PReLU learnt"
    )
    losses.legend()
    slopes.legend()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--images", type=int, default=None, help="train on so many images; default: all 1,437")
    parser.add_argument("--output", default="torch_digits.png", help="the figure")
    options = parser.parse_args()
    data, test = load()
    data = tuple(part[: options.images] for part in data)
    results = {name: run(name, options.epochs, data, test) for name in ACTIVATIONS}
    print("                    test accuracy   seconds  kept for the gradient  in the activations")
    for activation, pair in results.items():
        for name, result in pair.items():
            accuracy, seconds, kept, step = result["row"]
            print(f"{activation:6} {name:12} {accuracy:13.1%} {seconds:9.1f} {kept:19.2f} MB {step:10.2f} ms a step")
    draw(results, options.output)
    print(f"losses and learnt slopes: {options.output}")


if __name__ == "__main__":
    main()
