# Tongka. `make help` lists what can be made; every target prepares what it needs.

BIN = .venv/bin
SDK = sdk/posoffline
# Tests that share a file share a process; more processes than two gain little, for the database is one.
TEST = $(BIN)/pytest -n 2 --dist loadfile
COUNT = 1000000
SHOW = story
BENCHES = $(filter-out bench/rig.py bench/echo.py bench/statements.py bench/load.py bench/library.py,$(wildcard bench/*.py))

.DEFAULT_GOAL = help
.PHONY: help setup demo serve test check format docs fuzz crash phones model bench sdk clean

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

setup: ## prepare .venv; quick when nothing changed
	@scripts/setup

demo: setup ## a day in a city, from the first card sold to the books checked (SHOW=all: with every message and APDU)
	@$(BIN)/tongka demo --show $(SHOW)

serve: setup ## the sandbox city of the folder var/city, on http://127.0.0.1:8080
	@$(BIN)/tongka sandbox --dir var/city

test: setup ## the whole suite
	@$(TEST)

check: setup ## lint, format, types, import contracts, documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_docs.py --check
	$(BIN)/mkdocs --quiet build --strict

format: setup ## format the code and write the generated documentation anew
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python scripts/generate_docs.py

docs: setup ## the documentation, into site/
	$(BIN)/mkdocs --quiet build --strict
	@echo "site/index.html"

fuzz: setup sdk ## a million inputs of each kind (COUNT=...), and every bit of every signed message
	$(MAKE) -s -C $(SDK) test-build
	$(BIN)/python fuzz/fuzz_apdu.py --count $(COUNT)
	$(BIN)/python fuzz/fuzz_element.py --count $(COUNT)
	$(BIN)/python fuzz/fuzz_bodies.py --count $(COUNT)
	$(BIN)/python fuzz/fuzz_gateway.py --count $(COUNT)
	PYTHONPATH=$(SDK)/tests $(BIN)/python fuzz/fuzz_ridecode.py --count $(COUNT)
	$(BIN)/python fuzz/fuzz_bitflips.py

crash: setup ## kill the database 1,000 times while it works
	TONGKA_TEST_CRASHES=1000 $(BIN)/pytest tests/store/test_crash.py

phones: setup ## kill the phone at every step of every business of the wallet: some minutes
	TONGKA_TEST_ALL=1 $(BIN)/pytest tests/sandbox/wallet/test_deaths.py tests/journeys/wallet

model: setup ## explore two orders in wider bounds: a few minutes, 2 GB
	TONGKA_TEST_MODEL=2,4 $(BIN)/pytest tests/model

bench: setup ## the benchmarks, each beside its limit
	for each in $(BENCHES); do echo "== $$each"; $(BIN)/python $$each || exit; done

sdk: setup ## the gate's C library, into sdk/posoffline/build
	@$(MAKE) -s -C $(SDK)

clean: ## remove what was made, but not .venv and not var/
	rm -rf site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	$(MAKE) -s -C $(SDK) clean
