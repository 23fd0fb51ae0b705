# On a fresh machine with Python, git and make: `make demo` shows whole lines running, `make test`
# runs every check. Both do all the set-up; set-up speaks on stderr.

PYTEST := .venv/bin/python -m pytest
# Every worker starts servers of its own and often waits for them: one more than there are cores.
# What runs whole lines needs the machine for itself.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PARALLEL := --numprocesses $(shell echo $$(($(CORES) + 1))) --maxprocesses 4 --dist worksteal

.PHONY: help demo test lint bench chaos fuzz fuzz-api clean python system

help:
	@echo 'make demo   [ARGS="--for 60 --json"]  run simulated lines from camera to alert'
	@echo 'make test   [ARGS="-k threshold"]     every check and test, on real servers'
	@echo 'make lint                             the static checks alone'
	@echo 'make bench                            measure frames per second, latency and memory'
	@echo 'make chaos  [ARGS="--kills 200"]      kill everything again and again; nothing may be lost'
	@echo 'make fuzz   [ARGS="--frames 100000"]  send damaged frames; each must get its row'
	@echo 'make fuzz-api [EXAMPLES=1000]         ask every operation of the interface what it is not made for'
	@echo 'make clean                            remove .venv and what tools left behind'

python:
	@sh .ci/setup python

system: python
	@sh .ci/setup system

demo: python
	@.venv/bin/inspection demo $(ARGS)

# Exit status 5 of pytest means that a selection held no test, 2 that it was interrupted.
test: system
	@counts=$$(mktemp) && export TEST_COUNTS="$$counts"; first=0; second=0; \
	$(PYTEST) $(PARALLEL) $(ARGS) || first=$$?; \
	test $$first = 2 || $(PYTEST) -m "e2e or browser" $(ARGS) || second=$$?; \
	cat "$$counts"; rm -f "$$counts"; \
	case $$first/$$second in 0/0 | 0/5 | 5/0) ;; *) exit 1 ;; esac

lint: python
	@$(PYTEST) tests/static $(ARGS)

bench: python
	@$(PYTEST) tests/benchmarks -m benchmark -s --timeout=0 $(ARGS)

chaos: system
	@.venv/bin/python -m tests.chaos $(ARGS)

fuzz: python
	@.venv/bin/python -m tests.fuzz $(ARGS)

fuzz-api: python
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),1000) $(PYTEST) $(PARALLEL) tests/integration/api/test_schema.py $(ARGS)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
