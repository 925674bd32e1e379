# The two commands of the README. Each sets up what it needs, once, and is quick when repeated.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	command -v $$python >/dev/null 2>&1 && \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && \
	echo $$python && break; done)
BIN := .venv/bin
comma := ,
# Folders with wheels that pip was told about: uv does not read pip's configuration.
WHEELS = $(shell $(BIN)/python -m pip config list 2>/dev/null | sed -n "s/.*find-links='\(.*\)'/\1/p" | tr ' ' '\n' | sort -u)
LINKS = $(foreach folder,$(WHEELS),--find-links $(folder))
# Without such a wheel, uv takes PyTorch's build for this machine: CPU where there is no NVIDIA GPU.
BACKEND = $(if $(wildcard $(addsuffix /torch-*.whl,$(WHEELS))),,--torch-backend=auto)
UV = $(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python $(LINKS) -c constraints.txt
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# PyTorch's own index can be out of reach, and uv can be; pip is slower but knows this machine's settings.
install = $(UV) $(BACKEND) -e '.[$(1)]' || $(UV) -e '.[$(1)]' || $(PIP) -e '.[$(1)]'

export OMP_NUM_THREADS ?= 1

# Python's compiled modules are kept, in .venv, even where the environment forbids it beside the sources:
# without them each of the many processes compiles all that it imports, torch and SQLAlchemy included.
COMPILED = env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(CURDIR)/.venv/compiled

.PHONY: demo test check lock chromium

demo: .venv/.demo  ## start everything, with a demo project, on http://127.0.0.1:8000
	@exec $(COMPILED) $(BIN)/podium demo $(ARGS)

# In the order of their folders: the long tests of the browser first, so that no worker ends with one alone.
test: .venv/.test chromium  ## run all tests
	@$(COMPILED) $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/.test  ## run all static checks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile*

lock: .venv/.test  ## write constraints.txt anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--no-header --no-annotate --quiet -o constraints.txt

.venv/bin/uv:
	@test -n "$(PYTHON)" || { echo "Podium needs Python 3.11 or newer; install it and try again." >&2; exit 1; }
	@echo "Setting up .venv with $(PYTHON), once (about a minute, plus the download of PyTorch) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8

.venv/.demo: pyproject.toml constraints.txt Makefile | .venv/bin/uv
	@$(call install,embedded$(comma)train)
	@touch $@

.venv/.test: .venv/.demo
	@$(call install,embedded$(comma)train$(comma)test)
	@touch $@

# The browser tests need a Chromium; where it cannot be installed they are skipped and this line says why.
chromium:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		echo "Installing Chromium for the browser tests ..." && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	} || echo "The browser tests are skipped: install Chromium (on Debian: apt-get install chromium)."
