# dynloss: `make book` and `make test` do everything, the environment included.
PYTHON ?= python3
PROFILE ?= best
FRESH ?=
BIN := .venv/bin
UV ?= $(BIN)/uv
export MPLBACKEND = Agg

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env book pdf report deposit test test-all check colab golden lint sync picture lock clean distclean

help:  ## what there is to make
	@sed -n 's/^\([a-z]*\):.*##/make \1:/p' Makefile
	@echo "PROFILE=best|smoke|quick|paper chooses the size of the figures (now: $(PROFILE)); FRESH=1 computes them anew; PYTHON=python3.13 the Python of a new .venv"

env: .venv/installed  ## the environment (.venv) from requirements.lock

# Each stamp is written last. Without .venv/locked, whatever stands in .venv may be half made, so it is made anew.
# pip installs uv, which installs all else in half of pip's time; where it cannot (an index that only pip's own settings
# name), pip does.
.venv/locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "dynloss needs Python 3.11 or newer; $(PYTHON): $$($(PYTHON) --version 2>&1). Name one, as in: make book PYTHON=python3.13"; exit 1; }
	rm -rf .venv
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "$(PYTHON) cannot make virtual environments (on Debian: apt-get install python3-venv)"; exit 1; }
	sed -n '/^uv==/,/# via/p' requirements.lock >.venv/uv.lock
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r .venv/uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --no-deps --require-hashes -r requirements.lock || \
	  $(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	@touch $@

.venv/installed: .venv/locked pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

book: env  ## run the notebooks and build the book (PROFILE=best|smoke|quick|paper; FRESH=1)
	$(BIN)/dynloss book --profile $(PROFILE) $(if $(FRESH),--fresh)

pdf: env  ## the book that was built last, as one file (needs Chromium)
	$(BIN)/python tools/pdf.py

report: env  ## the replication report of the book that was built last, for print (needs Chromium)
	$(BIN)/python tools/pdf.py --page _build/html/book/report.html --output _build/report.pdf

deposit: report  ## a zip of the report and the published results, described, as Zenodo takes it
	$(BIN)/python tools/deposit.py

test: env  ## the tests (AREA=tests/spectral: of a folder or a file)
	$(BIN)/python -m pytest $(if $(AREA),$(AREA),-n logical)

test-all: env  ## these and the slow ones: every notebook in its smallest size, benchmarks, many kills, the print of the book built last
	$(BIN)/python -m pytest -n logical -m "slow or not book"

test-%: env
	@files=$$(find tests -name 'test_*.py' -path '*$**'); test -n "$$files" || { echo "no test file has $* in its path"; exit 2; }; \
	  $(BIN)/python -m pytest $$files

check: env  ## the tests of the book that was built last (needs Chromium)
	$(BIN)/python -m pytest -n logical -m "book and not slow" $$(grep -rl --include='test_*.py' 'mark\.book' tests)

colab: env  ## each notebook as Google Colab opens it (PYTHON should be a 3.13, as there)
	$(BIN)/python tools/colab.py

golden: env  ## compare the golden runs with those of the commit BASE, to the last bit
	$(BIN)/python tests/golden/compare.py $(BASE)

lint: env  ## ruff and mypy; the sentences (tools/prose.yml); the workflows, by zizmor
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/python tools/prose.py
	$(BIN)/zizmor --offline --quiet --strict-collection .github

sync: env  ## carry the repository's address and the notebooks' .py to where they are copied
	$(BIN)/python tools/sync.py

picture: env  ## redraw the README's picture (the book draws its own)
	$(BIN)/python -c "from dynloss_book.plots import idea; idea.plot().savefig('book/images/idea.png', dpi=110)"

# Keeps the versions that still fit; `make lock UPGRADE=--upgrade` takes the newest of everything.
lock:  ## resolve pyproject.toml anew into requirements.lock
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: run make env first, or make lock UV=path/to/uv"; exit 1; }
	$(UV) pip compile pyproject.toml --quiet --output-file requirements.lock $(UPGRADE) \
	  --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	  --extra tests --extra book --extra neural-tangents --group build

clean:  ## remove what was built
	rm -rf _build dist .pytest_cache .mypy_cache .ruff_cache

distclean: clean  ## remove the environment too
	rm -rf .venv
