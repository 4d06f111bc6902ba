# Needs Python 3.11 or newer with its venv module, and make. Everything else is installed into .venv.
#   make demo    find the learning rate of a network on handwritten digits; pictures and a page go to out/demo
#   make test    run the tests
#   make check   run the whole gate: format, lint, types, floors, tests
#   make clean   remove what make has made

.PHONY: demo test check install clean
.DEFAULT_GOAL := install

# The first interpreter that is new enough; `make PYTHON=/path/to/python` names another.
PYTHON ?= $(shell for one in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$one -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$one && break; done)
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed

demo: $(INSTALLED)
	$(VENV)/bin/surefoot find digits --out out/demo

test: $(INSTALLED)
	scripts/test

check: $(INSTALLED)
	scripts/check

install: $(INSTALLED)

# Written last, so that an installation that broke off is taken up again.
$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "surefoot needs Python 3.11 or newer, and none was found;" \
		"install one, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "surefoot needs Python 3.11 or newer;" \
		"$(PYTHON) is $$($(PYTHON) --version 2>&1); name another: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(VENV)/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| $(PYTHON) -m venv --clear $(VENV) \
		|| { echo "$(PYTHON) cannot make an environment; install its venv module (Debian: python3-venv)" >&2; exit 1; }
	@echo "Installing the pinned packages into $(VENV) (a few minutes the first time) ..."
	@$(PIP) install --quiet --constraint constraints.txt hatchling editables
	@$(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) out dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
