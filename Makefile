# make run          the whole project on real images, less than five minutes on two CPU cores once it is installed
# make quick        lint, type checks, tests of the libraries and of single pipelines: less than two minutes
# make test         lint, type checks, all tests: less than fifteen minutes
# make test-lowest  all tests with the lowest releases that pyproject.toml allows, in .venv/lowest
# make wheel        wheel and sdist in dist/, checked
# make test-wheel   an inspection with the wheel in an environment that holds only what it needs
# make test-package what `kedro package` makes runs in an environment of its own
# make test-mlflow  tests of the tracking, with MLflow in an environment of its own
# make images       the images of docker/, the service's started on a small model; needs Docker, and says if there is none
# make notebooks    all notebooks, executed into build/notebooks
# make lock         the hashes of all releases in constraints.txt, once more for what inspection alone needs
# make hooks        lint and type checks before every commit
# make viz          the lineage in the browser
# make docs         the pages as a site with search and Python reference: build/docs/index.html
# make benchmark    speed and memory beside anomalib; OPTIONS="--weights resnet18.pth --phase coreset"
# make clean        remove .venv

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUIET := --disable-pip-version-check --quiet
REQUIREMENTS := pyproject.toml constraints.txt
PYTEST := -m pytest -n 2 --dist worksteal  # the worker that is done first takes tests of the other
quick test test-lowest: export OMP_NUM_THREADS := 1  # two workers have two cores

.PHONY: run lint quick test test-lowest wheel test-wheel test-package test-mlflow images notebooks lock hooks viz docs benchmark clean

run: $(VENV)/.demo
	$(BIN)/kedro run

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

quick: lint
	$(BIN)/python $(PYTEST) -m "not slow"

test: lint
	$(BIN)/python $(PYTEST)

test-lowest: $(BIN)/python
	$(BIN)/python -m pip install $(QUIET) uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/lowest
	$(BIN)/uv pip install --quiet --python $(VENV)/lowest --resolution lowest-direct -e ".[test]"
	$(VENV)/lowest/bin/python $(PYTEST)

wheel: $(BIN)/python
	$(BIN)/python -m pip install $(QUIET) -c constraints.txt build hatchling twine
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*
	@echo Install it anywhere: pip install dist/reb_pipeline-*.whl

test-wheel: wheel
	rm -rf build/wheelhouse build/lean
	$(BIN)/pip download $(QUIET) --require-hashes -r requirements-inspect.txt -d build/wheelhouse
	$(BIN)/python -m venv --clear $(VENV)/lean
	$(VENV)/lean/bin/pip install $(QUIET) --no-index --find-links build/wheelhouse --require-hashes -r requirements-inspect.txt
	$(VENV)/lean/bin/pip install $(QUIET) --no-index --no-deps dist/*.whl
	$(VENV)/lean/bin/reb inspect tests/inspection/models/format_2/good_images --model tests/inspection/models/format_2 \
	  --output build/lean

# Environments with one thing of their own; everything else is that of the environment for tests, but for this clone.
PURELIB := -c "import sysconfig; print(sysconfig.get_path('purelib'))"
define beside_tests
	$(BIN)/python -m venv --clear $(VENV)/$(1)
	$(BIN)/python $(PURELIB) > $$($(VENV)/$(1)/bin/python $(PURELIB))/tests.pth
	$(VENV)/$(1)/bin/pip install $(QUIET) $(2)
endef

test-package: $(VENV)/.test
	rm -rf dist
	$(BIN)/kedro package
	$(call beside_tests,package,--no-index --no-deps --ignore-installed dist/*.whl)
	folder=$$(mktemp -d) && cd "$$folder" && $(CURDIR)/$(VENV)/package/bin/python -m reb_pipeline \
	  --conf-source $(CURDIR)/dist/conf-*.tar.gz --params features.image_size=64,ssl_finetune.enabled=false \
	  && ls data/08_reporting/*/report.html && rm -rf "$$folder"

# With MLflow installed all runs of tests would be tracked.
test-mlflow: $(VENV)/.test
	$(call beside_tests,mlflow,-c constraints.txt "kedro-mlflow>=2.0.3")
	PYTHONPATH=src $(VENV)/mlflow/bin/python -m pytest -n 0 tests/project/test_tracked_runs.py

images: wheel
	@docker info > /dev/null 2>&1 || { echo "Left out: no Docker runs here, so the images of docker/ were not built."; exit 0; }; \
	sh docker/try.sh

notebooks: $(VENV)/.test
	$(BIN)/python tools/notebooks.py build/notebooks

# Releases stay those of constraints.txt.
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-annotate --no-header
lock: $(BIN)/python
	$(BIN)/python -m pip install $(QUIET) uv
	$(COMPILE) --no-deps constraints.txt --output-file constraints.lock
	$(COMPILE) --universal --python-version 3.11 -c constraints.txt --group inspect --output-file requirements-inspect.txt

hooks: $(VENV)/.dev
	$(BIN)/pre-commit install

viz: $(VENV)/.demo
	$(BIN)/kedro viz run

docs: $(VENV)/.docs
	$(BIN)/python docs/site/stage.py
	$(BIN)/zensical build --strict --clean
	@echo build/docs/index.html

benchmark: $(VENV)/.benchmark
	$(BIN)/python -m benchmarks.peers --out benchmarks/peers.md --figure benchmarks/peers.png $(OPTIONS)

clean:
	rm -rf $(VENV)

# One stamp an extra: a second `make` installs nothing again, a changed requirement does.
$(VENV)/.%: $(REQUIREMENTS) | $(BIN)/python
	@echo "Installing into $(VENV). The first time 3.4 GB are downloaded on Linux, 3.0 GB of them PyTorch and CUDA;"
	@echo "docs/how-to/install.md says how to do without CUDA."
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed, and $(PYTHON) is older: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "$(PYTHON) cannot make a virtual environment: on Debian, apt-get install python3-venv"; exit 1; }
