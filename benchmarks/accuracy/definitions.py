"""The definitions in the table of activations as C++, for oracle.cpp."""

from __future__ import annotations

import ast

from rectifier.parameters import ACTIVATIONS, Activation

HEADER = "definitions.hpp"
# How oracle.cpp calls them, in double and in binary128.
CALLS = {
    "exp": "exponential",
    "expm1": "exponential_minus_1",
    "sqrt": "square_root",
    "Phi": "normal_cdf",
    "phi": "normal_density",
}
NAMES = {"x": "x", "pi": "R(pi)", "slope": "slope", "gamma": "slope", "s": "slope"}
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Gt: ">"}


def header() -> str:
    """A function each for values, derivatives and their roots, by the number of the row."""
    rows = list(enumerate(ACTIVATIONS.values()))
    values = "".join(f"        case {number}: {_body(row, row.value)}\n" for number, row in rows)
    derivatives = "".join(f"        case {number}: {_body(row, row.derivative)}\n" for number, row in rows)
    roots = "".join(f"        case {number}: return {row.root!r};\n" for number, row in rows if row.root is not None)
    return (
        f"template <class R>\nR define_value(int number, R slope, R x) {{\n    switch (number) {{\n{values}"
        "        default: return x;\n    }\n}\n"
        f"template <class R>\nR define_derivative(int number, R slope, R x) {{\n    switch (number) {{\n{derivatives}"
        "        default: return x;\n    }\n}\n"
        f"inline double root_of(int number) {{\n    switch (number) {{\n{roots}"
        "        default: return std::numeric_limits<double>::quiet_NaN();\n    }\n}\n"
    )


def _body(row: Activation, expression: str) -> str:
    names, lines = dict(NAMES), []
    for item in filter(None, row.where.split(", ")):
        name, definition = item.split(" = ")
        lines.append(f"const R {name}_ = {translate(definition, names)};")
        names[name] = f"{name}_"
    return f"{{ {' '.join(lines)} return {translate(expression, names)}; }}"


def translate(expression: str, names: dict[str, str]) -> str:
    """A Python expression in C++, over a type R; decimal constants keep all their digits."""

    def build(node: ast.expr) -> str:
        match node:
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.Constant(value=int()):
                return f"R({node.value})"
            case ast.Constant(value=float()):
                return f"R(QUAD({ast.get_source_segment(expression, node)}))"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{build(operand)})"
            case ast.BinOp(op=ast.Pow(), left=base, right=ast.Constant(value=int() as power)):
                return f"({' * '.join([build(base)] * power)})"
            case ast.BinOp(op=operator, left=left, right=right) if type(operator) in OPERATORS:
                return f"({build(left)} {OPERATORS[type(operator)]} {build(right)})"
            case ast.Compare(ops=[operator], left=left, comparators=[right]) if type(operator) in OPERATORS:
                return f"({build(left)} {OPERATORS[type(operator)]} {build(right)})"
            case ast.IfExp(test=test, body=body, orelse=other):
                return f"({build(test)} ? {build(body)} : {build(other)})"
            case ast.Call(func=ast.Name(id=name), args=[argument]) if name in CALLS:
                return f"{CALLS[name]}({build(argument)})"
        raise ValueError(f"`expression` must hold what a definition may hold, got {ast.unparse(node)}")

    return build(ast.parse(expression, mode="eval").body)
