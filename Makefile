# On a machine with Python 3.11 and make, `make demo` and `make test` set up all they need in .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# JAX compiles every test's network; without optimization that takes half the time.
UNOPTIMIZED := "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
RUN := TF_CPP_MIN_LOG_LEVEL=3 PYTHONUNBUFFERED=1 $(BIN)/python

PYTEST := -m pytest -n auto --dist worksteal
NIGHTLY := .venv-nightly

.PHONY: help demo check test test-full fuzz test-backends test-nightly lint format docs notebooks
.PHONY: results bench clean

help:
	@echo "make demo           train and quantize a network on handwritten digits; route circuit nets"
	@echo "make check          check style, types and units, in a minute"
	@echo "make test           run the tests on TensorFlow, in minutes"
	@echo "make test-full      run them all: every engine, network and example, many random networks"
	@echo "make fuzz           try random and damaged inputs for FUZZ_MINUTES, by default 20"
	@echo "make test-backends  run the backend-sensitive tests on JAX and torch"
	@echo "make test-nightly   run them on TensorFlow with Keras as it was last night"
	@echo "make lint           check style and types;  make format  repair style"
	@echo "make docs           build the documentation site: output/docs/index.html"
	@echo "make notebooks      execute the notebooks of docs/notebooks anew"
	@echo "make results        repeat the accuracies of docs/results in small, in ten minutes"
	@echo "make bench          measure speed in short, in less than 20 minutes"
	@echo "make clean          remove the virtual environments and output"

demo: $(VENV)/.demo
	$(RUN) examples/quickstart.py --output output/quickstart
	$(RUN) examples/route_nets.py --output output/route
	@$(BIN)/python examples/demo_page.py --output output

check: lint
	$(RUN) $(PYTEST) -m check

test: $(VENV)/.dev
	$(RUN) $(PYTEST) -m "not full"

test-full: $(VENV)/.dev
	$(RUN) $(PYTEST) --hypothesis-profile=many

# A share of the minutes for each kind of inputs. Counts: output/fuzz/counts.json.
fuzz: $(VENV)/.dev
	FUZZ_MINUTES=$${FUZZ_MINUTES:-20} $(RUN) -m pytest -n 0 -s --hypothesis-profile=many tests/fuzz

test-backends: $(VENV)/.dev $(VENV)/.backends
	KERAS_BACKEND=jax XLA_FLAGS=$(UNOPTIMIZED) $(RUN) $(PYTEST) -m "backend and not full"
	KERAS_BACKEND=torch $(RUN) $(PYTEST) -m "backend and not full"

# All packages but Keras are those of the other virtual environment.
test-nightly: $(VENV)/.dev
	$(BIN)/python -m venv $(NIGHTLY)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$( \
		$(NIGHTLY)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/stable.pth"
	$(NIGHTLY)/bin/python -m pip install --quiet --upgrade --no-deps keras-nightly
	TF_CPP_MIN_LOG_LEVEL=3 PYTHONUNBUFFERED=1 $(NIGHTLY)/bin/python $(PYTEST) -m "backend and not full"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The folder of doctrees keeps what did not change; removing it builds all pages anew.
docs: $(VENV)/.docs
	$(RUN) -m sphinx -W --keep-going -q -d output/doctrees docs output/docs
	@echo "output/docs/index.html"

notebooks: $(VENV)/.dev
	$(RUN) docs/notebooks/execute.py

results: $(VENV)/.demo
	$(RUN) benchmarks/results.py

bench: $(VENV)/.demo
	$(RUN) benchmarks/bench.py

clean:
	rm -rf $(VENV) $(NIGHTLY) output

# A stamp stands for a finished installation; pip failing leaves none.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.demo: $(VENV)/.created setup.py pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[demo]"
	@touch $@

$(VENV)/.dev: $(VENV)/.created setup.py pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

$(VENV)/.docs: $(VENV)/.created setup.py
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	@touch $@

# torch 2.13.0 has a CPU build; a range would pull several GB of CUDA packages.
$(VENV)/.backends: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet torch==2.13.0 "jax>=0.5"
	@touch $@
