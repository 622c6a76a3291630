"""JAX: sharded arrays are computed where they lie. Eight devices of one CPU, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from needed import needed

needed("jax")

PROGRAM = """
import functools, json, re
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from rectifier import leaky_relu
from rectifier.backends.jax_formulas import FORMULAS

COLLECTIVES = r"(all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|collective-broadcast)(?:-start)?\\("

mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(getattr(AxisType, KIND),) * 2)
split = NamedSharding(mesh, P("a", "b"))
jax.set_mesh(mesh)
plain = np.random.default_rng(0).normal(size=(16, 12, 3)).astype(np.float32)
x = jax.device_put(plain, split)
gamma = jnp.linspace(0.1, 0.9, 12, dtype=jnp.float32)
found = {}

def collectives(compiled):
    return re.findall(COLLECTIVES, compiled.as_text())

for name in FORMULAS:
    parameters = {"act_type": name}
    if name == "prelu":
        parameters["gamma"] = gamma
    if name == "rrelu":
        parameters |= {"training": True, "rng": jax.random.key(1)}
    f = functools.partial(leaky_relu, **parameters)
    pull = lambda x, g: jax.vjp(f, x)[1](g)[0]
    second = lambda x, g: jax.jvp(lambda x: pull(x, g), (x,), (g,))[1]
    kinds = [("value", f, (x,)), ("gradient", pull, (x, x)), ("second", second, (x, x))]
    for kind, function, arguments in kinds[: 2 if name in ("leaky", "prelu", "rrelu") else 3]:
        compiled = jax.jit(function).lower(*arguments).compile()
        y = compiled(*arguments)
        alone = np.asarray(jax.jit(function)(*(jnp.asarray(plain) for _ in arguments)))
        found[f"{name} {kind}"] = {
            "collectives": collectives(compiled),
            "stays": y.sharding.is_equivalent_to(split, y.ndim),
            "agrees": bool(np.allclose(np.asarray(y), alone, rtol=3e-7, atol=0)),
        }

drawn = jax.jit(lambda x: leaky_relu(x, act_type="rrelu", training=True, rng=7))(x)
with jax.enable_x64(True):  # the generator has another multiplication then
    wide = jax.jit(lambda x: leaky_relu(x, act_type="rrelu", training=True, rng=7)).lower(x).compile()
    wide_drawn = wide(x)
d_gamma = lambda gamma, x: leaky_relu(x, gamma, "prelu").sum()
gamma = jax.device_put(gamma, NamedSharding(mesh, P("b")))
compiled = jax.jit(jax.grad(d_gamma)).lower(gamma, x).compile()
gelu = functools.partial(leaky_relu, act_type="gelu")
mapped = jax.jit(jax.shard_map(gelu, mesh=mesh, in_specs=P("a", "b"), out_specs=P("a", "b")))
found["rest"] = {
    "slopes are of the whole array": bool(
        (np.asarray(drawn) == leaky_relu(plain, act_type="rrelu", training=True, rng=7)).all()
    ),
    "with x64": collectives(wide),
    "with x64, the same slopes": bool((np.asarray(wide_drawn) == np.asarray(drawn)).all())
    and wide_drawn.sharding.is_equivalent_to(split, 3),
    "gamma's sum": collectives(compiled),
    "gamma agrees": bool(np.allclose(compiled(gamma, x), np.where(plain > 0, 0, plain).sum((0, 2)), rtol=1e-5)),
    "shard_map": bool(np.allclose(np.asarray(mapped(x)), leaky_relu(plain, act_type="gelu"), rtol=1e-6)),
    "a collective is found": collectives(jax.jit(jnp.sum).lower(x).compile()),
}
print(json.dumps(found))
"""


@pytest.fixture(scope="module", params=["Auto", "Explicit"])
def found(request):
    """What the program finds where XLA chooses the shardings between, and where JAX's types carry them."""
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "0",
    }
    program = f"KIND = {request.param!r}\n{PROGRAM}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_device_waits_for_another(found):
    rest = found["rest"]
    each = {name: entry for name, entry in found.items() if name != "rest"}
    assert each == {name: {"collectives": [], "stays": True, "agrees": True} for name in each}
    assert len(each) >= 15
    assert set(rest["a collective is found"]) == {"all-reduce"}
    assert rest["with x64"] == []
    assert set(rest["gamma's sum"]) == {"all-reduce"}


def test_sharded_results(found):
    rest = found["rest"]
    assert rest["slopes are of the whole array"]
    assert rest["with x64, the same slopes"]
    assert rest["gamma agrees"]
    assert rest["shard_map"]
