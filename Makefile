# What a contributor runs; `make` alone runs everything that is checked before a change lands.
PY ?= .venv/bin/python

check: lint test

install:
	python3 -m venv .venv
	$(PY) -m pip install -q -e '.[test,lint]'

core:
	CONVTOOL_REQUIRE_CORE=1 CONVTOOL_CFLAGS=-Werror $(PY) setup.py -q build_ext --inplace --force

format:
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

lint:
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

test:
	$(PY) -m pytest -n auto

fuzz:
	$(PY) -m tests.faults.fuzz.run $(FUZZ)

pictures:
	$(PY) docs/make_pictures.py
	$(PY) docs/make_screenshots.py

options:
	$(PY) docs/make_options.py

samples:
	$(PY) sample_images/make.py

.PHONY: check install core format lint test fuzz pictures options samples
