# make run    the whole project on real images, less than five minutes on two CPU cores
# make test   lint, type checks and tests
# make viz    the lineage in the browser
# make benchmark    speed and memory beside anomalib; OPTIONS="--weights resnet18.pth --phase coreset"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REQUIREMENTS := pyproject.toml constraints.txt

.PHONY: run test viz benchmark clean

run: $(VENV)/.demo
	$(BIN)/kedro run

test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

viz: $(VENV)/.demo
	$(BIN)/kedro viz run

benchmark: $(VENV)/.benchmark
	$(BIN)/python -m benchmarks.peers --out benchmarks/peers.md --figure benchmarks/peers.png $(OPTIONS)

clean:
	rm -rf $(VENV)

# One stamp an extra: a second `make` installs nothing again, a changed requirement does.
$(VENV)/.%: $(REQUIREMENTS) | $(BIN)/python
	@echo "Installing into $(VENV): several minutes the first time, most of them PyTorch."
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e ".[$*]"
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed, and $(PYTHON) is older: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "$(PYTHON) cannot make a virtual environment: on Debian, apt-get install python3-venv"; exit 1; }
