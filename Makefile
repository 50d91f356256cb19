# Needs Python 3.11 or newer and make; everything else comes with the install.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One more than a small machine has cores: the tests wait a lot.
WORKERS ?= 3
# How many examples each fuzz test of `make fuzz` takes.
EXAMPLES ?= 2000
# Which kill points `make faults` takes: all, 7 for every seventh, or 2/3 for the second of three parts.
FAULTS ?= all

.PHONY: demo test long browser lint docs fuzz faults wheel mutants lock clean

demo: $(VENV)/.sandbox  ## the whole deployment plan, for real, on this machine
	@echo "3/3 Deploying in an embedded environment; this takes about 30 seconds"
	@$(BIN)/cartctl deploy --env sandbox --yes
	@echo
	@echo "To look around, roll back, or remove the environment:"
	@echo "  $(BIN)/cartctl history --env sandbox"
	@echo "  $(BIN)/cartctl rollback --env sandbox"
	@echo "  $(BIN)/cartctl sandbox down --purge"

test: $(VENV)/.dev lint  ## lint, types, import contracts and every test but the long ones
	$(BIN)/pytest -n $(WORKERS) -m "not long and not browser"

long: $(VENV)/.dev  ## the tests that take longest: whole deployments, races, restores
	$(BIN)/pytest -n $(WORKERS) -m "long and not browser"

browser: $(VENV)/.dev  ## the pages of the reference service in Debian's Chromium, both themes and three widths
	CARTCTL_REQUIRE_SERVICES=1 $(BIN)/pytest -n 2 -m browser --timeout=900

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry .
	$(BIN)/interrogate --quiet cartctl tests

docs: $(VENV)/.dev  ## write the generated pages in docs/ anew
	$(BIN)/python -m tests.docs

faults: $(VENV)/.dev  ## every kill point of a deployment, resumed and rolled back
	CARTCTL_FAULTS=$(FAULTS) $(BIN)/pytest -m faults -n $(WORKERS) --timeout=600

wheel: $(VENV)/.dev  ## build the wheel, install it into empty environments and use it as the README does
	CARTCTL_WHEEL=1 $(BIN)/pytest tests/cart/test_installed_wheel.py tests/test_installation.py -n0

mutants: $(VENV)/.mutants  ## break the code in 300 places, one at a time: do the tests notice? MUTANTS="--sample 50 pricing"
	$(BIN)/python -m tests.mutants $(MUTANTS)

# Hashes make the install repeatable; the editable package itself comes last and brings no dependency.
$(VENV)/.sandbox: requirements/sandbox.lock pyproject.toml
	@echo "1/3 Creating the virtual environment $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "2/3 Installing $$(grep -c == $<) packages from $<; this takes one to three minutes"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e '.[sandbox]'
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e '.[sandbox,notify,report,dev]'
	touch $@ $(VENV)/.sandbox

$(VENV)/.mutants: $(VENV)/.dev requirements/mutants.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/mutants.lock
	touch $@

fuzz: $(VENV)/.dev  ## untrusted input of every kind, EXAMPLES of each
	CARTCTL_FUZZ=$(EXAMPLES) $(BIN)/pytest tests/fuzz tests/config/test_wall_clock.py -n $(WORKERS) --timeout=3600

lock:  ## after a change of dependencies; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --extra sandbox pyproject.toml requirements/build.in -o requirements/sandbox.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --extra sandbox --extra notify --extra report --extra dev pyproject.toml requirements/build.in -o requirements/dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --constraints requirements/dev.lock --extra mutants pyproject.toml -o requirements/mutants.lock

clean:
	rm -rf $(VENV)
