# Every target sets up what it needs in $(VENV), and again only where the files it depends on have changed.
# Wanted beforehand: Python 3.10 or later with venv and headers, make, and a C++17 compiler.
#
#   make demo VENV=/tmp/venv        another environment
#   make test PYTEST="-k gamma"     words for pytest
#   make test CXX=clang++ WERROR=1  another compiler, and no warnings

VENV ?= .venv
PYTHON ?= python3
PYTEST ?=
WERROR ?=
# What `make bench` and `make accuracy` compare with, and what `make test` tests the back-ends with. Exact: another
# version would make other figures.
PEERS ?= torch==2.13.0

python := $(VENV)/bin/python
done := $(VENV)/.done
build := build/$(notdir $(abspath $(VENV)))
install := $(python) -m pip install --quiet
settings := --no-build-isolation -Ccmake.define.RECTIFIER_WERROR=$(if $(WERROR),ON,OFF)
core := CMakeLists.txt pyproject.toml $(wildcard src/core/* src/rectifier/_torch/*.hpp)
formatted := $(filter-out %/tables.hpp,$(wildcard $(addsuffix /*.?pp,src/core src/rectifier/_torch))) r/src/routines.cpp
triton_tables := src/rectifier/kernels/triton/tables.py
jax_tables := src/rectifier/backends/jax_tables.py
checked := src tests tools benchmarks examples
pages := README.md CONTRIBUTING.md CHANGELOG.md $(wildcard docs/*.md examples/*.md)

# A compiler named on make's command line is the one that CMake takes.
ifneq ($(origin CXX),default)
export CXX
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test test-mxnet examples lint format stub activations tables tables-check accuracy bench bench-gpu bench-scaling \
	bench-report networks backends docs wheel warnings r-package test-r clean distclean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

# --- what people run

demo: $(done)/package $(done)/demo  ## train a network with each activation on handwritten digits
	$(python) examples/digits.py

test: examples $(done)/peers $(done)/triton  ## run the tests
	$(python) -m pytest --ignore=tests/mxnet $(PYTEST)

examples: $(done)/package $(done)/test $(done)/peers  ## run the code in README.md and docs
	$(python) tools/check_examples.py README.md $(wildcard docs/*.md)

test-mxnet: $(done)/package $(done)/test $(done)/peers  ## compare with the real MXNet 1.6.0, in an environment of its own
	$(python) tests/mxnet/make_environment.py
	$(python) -m pytest tests/mxnet $(PYTEST)

accuracy: $(done)/package $(done)/bench $(done)/peers  ## walk every float32 input and write docs/accuracy.md
	$(python) -m benchmarks.accuracy

bench: $(done)/package $(done)/bench $(done)/peers  ## measure speed against the peers, into benchmarks/results
	$(python) -m benchmarks.speed

bench-gpu: $(done)/package $(done)/bench $(done)/peers $(done)/triton  ## measure speed on a GPU, into benchmarks/results
	$(python) -m benchmarks.gpu

bench-scaling: $(done)/package $(done)/bench  ## measure how a Dask cluster scales, for docs/scaling.md
	$(python) -m benchmarks.scaling

networks: $(done)/package $(done)/test $(done)/peers  ## convert whole MXNet networks, compare them, and write docs/networks.md
	$(python) tests/mxnet/make_environment.py
	$(python) -m benchmarks.networks

bench-report: $(done)/package $(done)/bench  ## write docs/performance.md and the table in README.md from them
	$(python) -m benchmarks.speed.report

docs: $(done)/package $(done)/docs $(done)/lint  ## build the pages, into site
	$(python) -m mkdocs build --strict

wheel: $(done)/build  ## build a wheel, into dist
	rm -rf dist
	$(python) -m pip wheel --quiet --no-deps $(settings) -Cbuild-dir=$(build)/wheel --wheel-dir dist .

r-package:  ## write the R package with all its sources as a tarball, into build/r
	rm -rf build/r
	@mkdir -p build/r
	cd build/r && R CMD build $(abspath r)

test-r: r-package  ## check the R package, and run the R code in the pages (wanted: R and its testthat)
	cd build/r && MAKEFLAGS=-j2 R CMD check --no-manual rectifier_*.tar.gz
	@! grep -E '\.\.\. *(WARNING|ERROR)' build/r/rectifier.Rcheck/00check.log
	R_LIBS=build/r/rectifier.Rcheck Rscript tools/check_r_examples.R $(shell grep -l '^```r$$' docs/*.md)

# --- what keeps the sources in order

lint: $(done)/package $(done)/lint $(done)/peers  ## check style, types, stub and links
	$(python) -m ruff check $(checked)
	$(python) -m ruff format --check $(checked)
	$(python) -m mypy --strict src
	$(VENV)/bin/clang-format --dry-run -Werror $(formatted)
	$(python) tools/check_stub.py
	$(python) tools/check_activations.py
	$(python) tools/check_links.py $(pages)

format: $(done)/lint  ## bring Python and C++ into the project's format
	$(python) -m ruff check --fix $(checked)
	$(python) -m ruff format $(checked)
	$(VENV)/bin/clang-format -i $(formatted)

backends: $(done)/package $(done)/test  ## test every back-end and write docs/backends.md
	$(python) tools/make_backends_page.py

stub: $(done)/package $(done)/lint  ## write src/rectifier/_core.pyi from the compiled module
	$(python) tools/check_stub.py --write

activations: $(done)/package  ## write the table of activations in docs/semantics.md
	$(python) tools/check_activations.py --write

tables: $(done)/test  ## compute the coefficients of the core, the Triton kernels and JAX anew
	$(python) tools/tables/make_tables.py
	$(python) tools/tables/make_triton_tables.py
	$(python) tools/tables/make_jax_tables.py

tables-check: $(done)/test  ## check that the coefficients come out the same
	@mkdir -p build
	cp -p src/core/tables.hpp build/tables.hpp
	cp -p $(triton_tables) build/tables.py
	$(python) tools/tables/make_tables.py
	cmp src/core/tables.hpp build/tables.hpp
	@mv build/tables.hpp src/core/tables.hpp
	$(python) tools/tables/make_triton_tables.py
	cmp $(triton_tables) build/tables.py
	@mv build/tables.py $(triton_tables)
	cp -p $(jax_tables) build/jax_tables.py
	$(python) tools/tables/make_jax_tables.py
	cmp $(jax_tables) build/jax_tables.py
	@mv build/jax_tables.py $(jax_tables)

warnings: $(done)/build  ## compile with CXX, every warning an error
	$(VENV)/bin/cmake -S . -B $(build)/warnings-$(notdir $(CXX)) -G Ninja --log-level=WARNING \
		-DCMAKE_MAKE_PROGRAM=$(abspath $(VENV))/bin/ninja -DCMAKE_CXX_COMPILER=$(CXX) -DCMAKE_BUILD_TYPE=Release \
		-DPython_EXECUTABLE=$(abspath $(python)) -DRECTIFIER_WERROR=ON
	$(VENV)/bin/cmake --build $(build)/warnings-$(notdir $(CXX)) -- --quiet

clean:  ## remove what was built
	rm -rf build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean  ## and the environments
	rm -rf .venv .venv-*

# --- set-up: one file in $(done) for each thing that is there

$(done)/venv:
	@$(PYTHON) tools/check_python.py
	$(PYTHON) -m venv $(VENV)
	$(install) --upgrade 'pip>=25.1'
	@mkdir -p $(done) && touch $@

# A group of packages of pyproject.toml, by its name.
$(done)/%: pyproject.toml | $(done)/venv
	$(install) --group $*
	@touch $@

$(done)/peers: | $(done)/venv
	$(install) $(PEERS)
	@touch $@

$(done)/package: $(core) | $(done)/build
	$(install) $(settings) -Cbuild-dir=$(build)/editable --editable .
	@touch $@
