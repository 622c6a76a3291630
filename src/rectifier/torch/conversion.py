"""`convert`: the activations of an existing model on rectifier's kernels, and `revert`: back to torch's.

A module is not replaced: it becomes an object of the other class. So its parameters, buffers, hooks, names and
whatever else refers to it, such as an optimizer or a second place in the model, stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.utils import parametrize

from .modules import MODULES, PReLU, gelu_act_type

__all__ = ["Change", "Conversion", "convert", "revert"]

_Class = type[nn.Module]
_BACK: Mapping[_Class, _Class] = {ours: theirs for theirs, ours in MODULES.items()}
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Change(NamedTuple):
    """One line of a report: where a module stands in the model, what it is, and why it was left if it was."""

    names: tuple[str, ...]
    module: str
    reason: str = ""

    def __str__(self) -> str:
        names = ", ".join(name or "(the model itself)" for name in self.names)
        return f"{names}: {self.module}" + (f": {self.reason}" if self.reason else "")


@dataclass
class Conversion:
    """What `convert` or `revert` did: modules `swapped`, `left` with a reason each, `unchanged` since an earlier call.

    ``str()`` of it is a report for people. `model` is the model that was given.
    """

    model: nn.Module = field(repr=False)
    swapped: list[Change] = field(default_factory=list)
    left: list[Change] = field(default_factory=list)
    unchanged: list[Change] = field(default_factory=list)

    def __str__(self) -> str:
        lines: list[str] = []
        for title, changes in (("swapped", self.swapped), ("left", self.left), ("unchanged", self.unchanged)):
            if changes or title == "swapped":
                lines += [f"{title}: {len(changes)}", *(f"  {change}" for change in changes)]
        return "\n".join(lines)


def convert(model: nn.Module) -> Conversion:
    """Put the activations of `torch.nn` in a model on the kernels of rectifier, in place.

    Parameters
    ----------
    model : torch.nn.Module
        With activations anywhere inside, or an activation itself.

    Returns
    -------
    Conversion
        The report: which modules were swapped, and which were left and why.

    Raises
    ------
    TypeError
        If `model` is not a module.

    Notes
    -----
    ``LeakyReLU``, ``ELU``, ``SELU``, ``GELU``, ``PReLU`` and ``RReLU`` of `torch.nn` change their class to that of the
    same name here, and nothing else of them. The parameters are the same objects, so an optimizer goes on with
    them; hooks, names, state dict, training mode and modules in several places remain; ``isinstance`` finds torch's
    class, of which ours is a subclass. Parametrized modules are swapped as well. Left are subclasses that others have
    written, modules with a ``forward`` of their own, modules that TorchScript has compiled, and those whose
    parameters the operator does not take. A function called in a ``forward``, such as ``torch.nn.functional.gelu``,
    is no module and not seen: `accelerate` reaches those. Converting twice changes nothing; `revert` is the way back.

    Examples
    --------
    >>> import torch
    >>> from rectifier.torch import convert
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.PReLU(4), torch.nn.Flatten(), torch.nn.GELU())
    >>> print(convert(model))
    swapped: 2
      1: PReLU(num_parameters=4)
      3: GELU(approximate='none')
    """
    return _change(model, MODULES, _why_left)


def revert(model: nn.Module) -> Conversion:
    """Put the activations of a model back on torch's own kernels, in place: the way back from `convert`.

    Parameters
    ----------
    model : torch.nn.Module
        With modules of `rectifier.torch` anywhere inside.

    Returns
    -------
    Conversion
        The report: which modules were swapped, and which were left since torch cannot compute them.

    Raises
    ------
    TypeError
        If `model` is not a module.

    Examples
    --------
    >>> import torch
    >>> from rectifier.torch import PReLU, revert
    >>> model = torch.nn.Sequential(PReLU(4), PReLU(4, axis=-1))
    >>> print(revert(model))
    swapped: 1
      0: PReLU(num_parameters=4)
    left: 1
      1: PReLU(num_parameters=4, axis=-1): torch's weight belongs to axis 1
    """
    return _change(model, _BACK, _why_ours)


def _change(
    model: nn.Module, classes: Mapping[_Class, _Class], why_not: Callable[[nn.Module, _Class], str]
) -> Conversion:
    if not isinstance(model, nn.Module):
        raise TypeError(f"`model` must be a torch.nn.Module, got {type(model).__name__}")
    report = Conversion(model)
    for names, module in _modules(model):
        kind = _kind(module)
        change = Change(names, repr(module))
        if kind in classes.values():
            report.unchanged.append(change)
        elif isinstance(module, tuple(classes)) or _compiled_from(module, classes):
            reason = why_not(module, kind) if kind in classes else _why_unknown(module)
            if reason:
                report.left.append(change._replace(reason=reason))
            else:
                _set_class(module, classes[kind])
                report.swapped.append(change)
    return report


def _modules(model: nn.Module) -> Iterator[tuple[tuple[str, ...], nn.Module]]:
    """Each module once, with all its names."""
    names: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(module, []).append(name)
    for module, all_names in names.items():
        yield tuple(all_names), module


def _kind(module: nn.Module) -> _Class:
    """The class of the module, seen through a parametrization, which makes a class for each module that has one."""
    kind = type(module)
    return kind.__bases__[0] if parametrize.is_parametrized(module) else kind


def _set_class(module: nn.Module, wanted: _Class) -> None:
    if parametrize.is_parametrized(module):
        made = type(module)
        kept = {name: value for name, value in vars(made).items() if name not in ("__dict__", "__weakref__", "__doc__")}
        wanted = type(made.__name__, (wanted,), kept)
    module.__class__ = wanted


def _compiled_from(module: nn.Module, classes: Mapping[_Class, _Class]) -> bool:
    return isinstance(module, torch.jit.ScriptModule) and module.original_name in {kind.__name__ for kind in classes}


def _why_unknown(module: nn.Module) -> str:
    if isinstance(module, torch.jit.ScriptModule):
        return "compiled by TorchScript"
    return f"{type(module).__module__}.{type(module).__qualname__} is a subclass, which may compute something else"


def _why_left(module: nn.Module, kind: _Class) -> str:
    if "forward" in vars(module):
        return "has a `forward` of its own"
    if isinstance(module, nn.GELU):
        try:
            gelu_act_type(module.approximate)
        except ValueError as error:
            return str(error)
    others = {str(p.dtype) for p in module.parameters() if p.dtype not in _FLOATS}
    return f"has parameters of {', '.join(sorted(others))}" if others else ""


def _why_ours(module: nn.Module, kind: _Class) -> str:
    if "forward" in vars(module):
        return "has a `forward` of its own"
    if isinstance(module, PReLU):
        if module.axis not in (None, 1):
            return "torch's weight belongs to axis 1"
        if module.weight.ndim > 1:
            return "torch's weight has one dimension"
    if getattr(module, "inplace", False) and _refused_in_place(module):
        return "torch refuses to overwrite the input where a slope is negative"
    return ""


def _refused_in_place(module: nn.Module) -> bool:
    return min(getattr(module, name, 0.0) for name in ("negative_slope", "alpha", "lower")) < 0
