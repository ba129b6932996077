# make run: the chat on a local address · make test: all tests · make check: linters and types · make build: the index alone
# Each sets up what it needs; a second call installs and builds nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TESTING := $(VENV)/.installed-test

.PHONY: run test check build evaluate clean lock sbom doctor

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

doctor: $(INSTALLED)
	$(BIN)/python -m bot doctor

# requirements-hashed.txt: sha256 of every file of every pinned version, and of torch's CPU build, which PyPI does not list.
TORCH_CPU := 6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b
lock: $(TESTING)
	$(BIN)/python -m pip install --quiet uv==0.13.9
	{ sed -n '/^#/p' requirements-hashed.txt; $(BIN)/uv pip compile requirements.txt --generate-hashes --no-deps --no-annotate --no-header \
	  --python-version 3.11 --universal --quiet | sed 's/^torch==.*/&\n    --hash=sha256:$(TORCH_CPU) \\/'; } > requirements-hashed.new
	mv requirements-hashed.new requirements-hashed.txt

# What is in it, for whoever must know: CycloneDX, 215 kB when it was tried, so it is made and not kept.
sbom: $(INSTALLED)
	$(PYTHON) -m venv $(VENV)-sbom
	$(VENV)-sbom/bin/python -m pip install --quiet cyclonedx-bom==7.5.0
	$(VENV)-sbom/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file sbom.json

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
