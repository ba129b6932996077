# make run: the chat on a local address · make test: all tests · make check: linters and types · make build: the index alone
# Each sets up what it needs; a second call installs and builds nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TESTING := $(VENV)/.installed-test

.PHONY: run test check build evaluate clean

run: $(INSTALLED)
	$(BIN)/python app.py

build: $(INSTALLED)
	$(BIN)/python -m bot build

test: $(TESTING)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  echo "No Chromium here and none could be installed: the browser tests will fail. Install the package 'chromium'."
	$(BIN)/python -m pytest

check: $(TESTING)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

evaluate: $(TESTING)
	$(BIN)/python -m bot evaluate --report docs/evaluation.md
	PYTHONPATH=. $(BIN)/python benchmarks/encoder.py
	PYTHONPATH=. $(BIN)/python benchmarks/retrieval.py
	PYTHONPATH=. $(BIN)/python benchmarks/weights.py
	PYTHONPATH=. $(BIN)/python benchmarks/guardrails.py

clean:
	rm -rf $(VENV) index/build-* index/encoder-* index/current.json

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(TESTING): requirements-test.txt $(INSTALLED)
	$(BIN)/python -m pip install --quiet --requirement requirements-test.txt
	touch $@
