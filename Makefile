# `make demo` plays a night on a synthetic clinic; `make test` checks it. Both set up what they need.
.DEFAULT_GOAL := help
BIN := .venv/bin
# Two processes, each with servers of its own: many tests wait for a worker or a server.
TWICE := -n 2 --dist loadfile
.PHONY: help venv lint test test-all test-mysql demo bench faults soak down clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

venv: .venv/.installed ## install the locked requirements and dental-etl into .venv

.venv/.installed: requirements-dev.txt setup.cfg ops/dev/venv.sh
	@sh ops/dev/venv.sh

lint: venv ## ruff, mypy --strict, import contracts
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

test: lint ## lint, then the tests, on private servers
	$(BIN)/python -m pytest tests -m "not slow" $(TWICE)

test-all: lint ## the same with the slow ones: marts built twice, a foreign schema, rough days
	$(BIN)/python -m pytest tests $(TWICE)

test-mysql: lint ## the tests with a MySQL as the clinic's server: SERVER=/usr/sbin/mysqld; REPLICA= for ours
	SANDBOX_SOURCE_SERVER=$(or $(SERVER),mysqld) SANDBOX_REPLICATION_SERVER=$(REPLICA) \
	$(BIN)/python -m pytest tests -m "not slow" $(TWICE)

demo: venv ## play the next night on a synthetic clinic: servers, workers, beat, Flower, dbt
	@$(BIN)/dental-etl demo

bench: venv ## copy the same tables with dental-etl, the servers alone and other tools; OPTIONS=--full
	@$(BIN)/python -m ops.benchmarks $(OPTIONS)

faults: venv ## kill, cut, fill and freeze whatever a night needs, compare every value; ONLY="Redis" for some
	@$(BIN)/python -m ops.faults play $(if $(ONLY),--only "$(ONLY)")

soak: venv ## random kills for MINUTES=10 while the clinic changes, every night compared
	@$(BIN)/python -m ops.faults soak $(or $(MINUTES),10)

down: venv ## stop everything that `make demo` started
	@$(BIN)/dental-etl demo --stop

clean: down ## stop, and delete the synthetic clinic
	rm -rf .sandbox
