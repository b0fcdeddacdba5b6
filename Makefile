# On a machine with Python 3.11 and make, `make demo` and `make test` set up all they need in .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# JAX compiles every test's network; without optimization that takes half the time.
UNOPTIMIZED := "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
RUN := TF_CPP_MIN_LOG_LEVEL=3 PYTHONUNBUFFERED=1 $(BIN)/python

.PHONY: help demo test test-backends lint format bench clean

help:
	@echo "make demo           train and quantize a network on handwritten digits; route circuit nets"
	@echo "make test           run the tests on TensorFlow"
	@echo "make test-backends  run the backend-sensitive tests on JAX and torch"
	@echo "make lint           check style;  make format  repair it"
	@echo "make bench          list the benchmarks"
	@echo "make clean          remove .venv and output"

demo: $(VENV)/.demo
	$(RUN) examples/quickstart.py --output output/quickstart
	$(RUN) examples/route_nets.py --output output/route

test: $(VENV)/.dev
	$(RUN) -m pytest -n auto --dist worksteal

test-backends: $(VENV)/.dev $(VENV)/.backends
	KERAS_BACKEND=jax XLA_FLAGS=$(UNOPTIMIZED) $(RUN) -m pytest -n auto --dist worksteal -m backend
	KERAS_BACKEND=torch $(RUN) -m pytest -n auto --dist worksteal -m backend

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.demo
	@for file in benchmarks/*.py; do echo "$(BIN)/python $$file"; done

clean:
	rm -rf $(VENV) output

# A stamp stands for a finished installation; pip failing leaves none.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.demo: $(VENV)/.created setup.py
	$(BIN)/python -m pip install --quiet --editable ".[demo]"
	@touch $@

$(VENV)/.dev: $(VENV)/.created setup.py
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

# torch 2.13.0 has a CPU build; a range would pull several GB of CUDA packages.
$(VENV)/.backends: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet torch==2.13.0 "jax>=0.5"
	@touch $@
