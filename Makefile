# Two commands do everything on a machine with Python 3.11 and a package index:
#   make run    environment, installation, the whole project on the embedded corpus
#   make test   the same environment, all tests
PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run test lint format clean

run: $(VENV)/.installed
	$(BIN)/python -m spacy project run all .

test: $(VENV)/.installed
	$(BIN)/python -m pytest

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The stamp says that the environment holds what these files ask for.
$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	# A stale one would hide the entry points of a newer setup.cfg.
	rm -rf *.egg-info
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[train,offline,llm,plot,prompted,formats,ray,onnx,export,dev]"
	touch $@

# What the project made; assets and the environment stay.
clean:
	rm -rf corpus encoders training silver metrics packages cache project.lock
