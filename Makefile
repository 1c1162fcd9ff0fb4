# `make run` serves; `make test` proves; both install what they need and say what they cannot.

CARGO ?= cargo
TOOLS := $(CURDIR)/.tools
POLICY ?=
AUTHORITIES ?=
RUN_FLAGS := $(if $(POLICY),--policy $(POLICY)) $(if $(AUTHORITIES),--authorities $(AUTHORITIES))

.PHONY: run test walk check deny tools redis bench clean-tools

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

test: redis tools check
	$(CARGO) test --locked

# The walk over all rules without its bound: about ten minutes. For a change to a rule, and before a
# release; the suite walks the same with a bound.
walk:
	$(CARGO) test --locked --test core -- --ignored walk::

# What a machine can say of the text itself.
check:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- --deny warnings

# Licences, sources and bans of the dependencies. Builds cargo-deny, which takes some minutes.
deny:
	@deploy/install.sh cargo-deny
	PATH="$(TOOLS)/bin:$$PATH" $(CARGO) deny check bans licenses sources

bench: redis
	$(CARGO) bench --locked --bench bench

# What runs and tests need from the system. A missing piece that cannot be installed is an error.
redis:
	@deploy/install.sh redis-server

tools:
	@deploy/install.sh promtool alertmanager grpcurl buf

clean-tools:
	rm -rf $(TOOLS)
