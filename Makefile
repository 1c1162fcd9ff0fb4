# `make run` serves; `make test` proves; both install what they need and say what they cannot.

CARGO ?= cargo
TOOLS := $(CURDIR)/.tools
POLICY ?=
RUN_FLAGS := $(if $(POLICY),--policy $(POLICY))

.PHONY: run test check tools redis bench clean-tools

run: redis
	$(CARGO) build --release --locked
	@echo
	@echo "Try, in another terminal (make tools puts grpcurl into .tools/bin):"
	@echo
	@echo "  grpcurl -plaintext localhost:50051 urgence.v1.DeskService/Watch"
	@echo "  grpcurl -plaintext -d @ localhost:50051 urgence.v1.IntakeService/Submit < deploy/examples/terrorism.json"
	@echo "  grpcurl -plaintext localhost:50051 urgence.v1.DeskService/List"
	@echo "  grpcurl -plaintext -d '{\"requestId\": \"claim-1\"}' localhost:50051 urgence.v1.DeskService/ClaimNext"
	@echo "  curl -s localhost:9464/metrics | grep ^urgence"
	@echo
	exec target/release/urgence serve $(RUN_FLAGS)

test: redis tools
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- --deny warnings
	$(CARGO) deny --version >/dev/null 2>&1 && $(CARGO) deny check bans licenses sources || \
		echo "cargo-deny is not installed; the licences of dependencies are not checked in this run"
	$(CARGO) test --locked

bench: redis
	$(CARGO) bench --locked --bench bench

# What runs and tests need from the system. A missing piece that cannot be installed is an error.
redis:
	@deploy/install.sh redis-server

tools:
	@deploy/install.sh promtool grpcurl buf

clean-tools:
	rm -rf $(TOOLS)
