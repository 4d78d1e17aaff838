# The commands of this project; `make` lists them. They need Python 3.11 to 3.13, git and make, and set up the rest in .venv.
PYTHON ?=
REPO ?=
PORT ?= 8000

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --disable-pip-version-check --constraint requirements.txt
PINS := requirements.txt pyproject.toml
# Numbers must not depend on how many cores split a sum.
export OMP_NUM_THREADS := 1

.DELETE_ON_ERROR:
.PHONY: help book serve test mutants experiments sync address wheel clean

help:  ## list these commands
	@sed -n 's/^\([a-z]*\):.*## /    make \1|/p' Makefile | awk -F'|' '{ printf "%-22s %s\n", $$1, $$2 }'
	@echo "On Linux without an NVIDIA GPU, PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu spares 'make test' gigabytes."

book: $(VENV)/.book  ## build the site and say where it is (downloads no torch, runs no notebook)
	@echo "==> Building the site"
	@rm -rf _build  # else an edited stylesheet stays as it was
	@$(VENV)/bin/jupyter-book build . -W -n --keep-going
	@echo "==> The book is at $(CURDIR)/_build/html/index.html; 'make serve' shows it in a browser."

serve:  ## show the built site on this computer
	@test -f _build/html/index.html || { echo "*** There is no site yet: run 'make book' first." >&2; exit 1; }
	@echo "==> The book is at http://localhost:$(PORT)/ until you press Ctrl-C (another port: make serve PORT=8001)."
	@$(PY) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

test: $(VENV)/.test  ## run all tests (downloads torch)
	@$(PY) tools/colab_environment.py
	@echo "==> Running all tests"
	@$(PY) -m pytest -n2 --dist=loadfile --no-loadscope-reorder --nbval --nbval-current-env --nbval-cell-timeout=120

mutants: $(VENV)/.test  ## break the library in thousands of places, one at a time: which break does no test notice? (hours)
	@$(PIP) --quiet --target $(VENV)-mutmut mutmut==3.8.1  # apart: the tests compare $(VENV) with the pins
	@PYTHONPATH=$(CURDIR)/$(VENV)-mutmut $(PY) tools/mutants.py

experiments: $(VENV)/.test  ## train small models for the chapter on length, if their settings changed (an hour of two cores)
	@$(PY) experiments/length_generalisation.py

sync: $(VENV)/.test  ## run the notebooks again and store what changed
	@$(PY) tools/sync.py

address: $(VENV)/.made  ## write another repository's address everywhere: make address REPO=owner/name
	@$(PY) tools/address.py $(REPO)

wheel: $(VENV)/.made  ## build the library's wheel into dist/, the same bytes for the same commit
	@$(PIP) --quiet hatchling
	@$(PY) -m hatchling build -t wheel

clean:  ## delete what was built, keep the environments
	rm -rf _build dist build mutants

# A stamp is written only after its step succeeded, so an interrupted one is done again.
$(VENV)/.made:
	@sh tools/environment.sh $(VENV) "$(PYTHON)"
	@touch $@

$(VENV)/.book: $(VENV)/.made $(PINS)
	@echo "==> Installing what the site needs (a minute)"
	@$(PIP) --editable '.[book]'
	@$(PIP) --no-deps djangocms-katex
	@touch $@

$(VENV)/.test: $(VENV)/.made $(PINS)
	@echo "==> Installing what the tests need, torch among it (a few minutes)"
	@$(PIP) --editable '.[book,figures,test,torch]'
	@$(PIP) --no-deps djangocms-katex
	@touch $(VENV)/.book $@
