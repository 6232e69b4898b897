# Bough. `make run` shows it, `make test` tests it, `make help` lists the rest.

PREFIX ?= /usr/local
DESTDIR ?=
# mount(8) looks for its helpers in /sbin only, which is /usr/sbin nowadays.
HELPERDIR ?= $(if $(filter /usr /usr/%,$(PREFIX)),/usr/sbin,$(PREFIX)/sbin)
MNT ?= mnt
FUZZ_SECONDS ?= 600
CARGO ?= cargo
OUT := target/release
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

# rustup installs here; a shell that was open before `make setup` does not know yet. First, for a system's own cargo may be too old.
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: help setup build run stop test test-long fuzz audit lint header docs bench install uninstall clean

help:
	@echo 'make run        install what is missing, build, mount a volume at ./$(MNT), play a tour on it'
	@echo 'make stop       unmount it'
	@echo 'make test       install what is missing, build, run every test'
	@echo 'make test-long  the tests and the long ones'
	@echo 'make fuzz       coverage-guided fuzzing, FUZZ_SECONDS (600) for each target; installs what it needs'
	@echo 'make audit      licences, sources and advisories of the dependencies, by cargo-deny, which it installs'
	@echo 'make build      target/release/: bough, bough-fuse, libbough.so, libbough.a'
	@echo 'make install    into $$(DESTDIR)$$(PREFIX), now $(DESTDIR)$(PREFIX)'
	@echo 'make lint       formatting and lints, warnings are errors'
	@echo 'make header     include/bough.h and the list of exported symbols, anew'
	@echo 'make docs       docs/cli.md, anew'
	@echo 'make bench      the benchmarks of the core and of the commands'
	@echo 'make setup      only install what is missing'

setup:
	@scripts/setup.sh

build:
	$(CARGO) build --release --locked --workspace --exclude bough-tests
	$(MAKE) -C glue-linux

run: setup build
	@scripts/tour.sh $(MNT)

stop:
	@scripts/stop.sh $(MNT)-snapshot $(MNT)

test: setup build
	$(CARGO) test --locked --workspace
	$(CARGO) test --locked --release -p bough --test promises
	$(CARGO) test --locked -p bough --features shuttle --lib schedules::

# LONG="core suites": only these parts (scripts/test-long.sh).
test-long: test
	CARGO="$(CARGO)" scripts/test-long.sh $(LONG)

fuzz:
	scripts/fuzz.sh $(FUZZ_SECONDS)

audit:
	scripts/audit.sh --install --advisories

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked -p bough --features shuttle --lib --tests -- -D warnings
	scripts/audit.sh $(AUDIT)

header:
	BOUGH_BLESS=1 $(CARGO) test --locked -p bough-tests --test header

docs:
	BOUGH_BLESS=1 $(CARGO) test --locked -p bough-cli

bench: build
	$(CARGO) bench --locked -p bough
	$(CARGO) bench --locked -p bough-tests

install: build
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(HELPERDIR) $(DESTDIR)$(PREFIX)/lib/pkgconfig \
	    $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man8 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(OUT)/bough $(OUT)/bough-fuse $(DESTDIR)$(PREFIX)/bin
	ln -sf $(PREFIX)/bin/bough $(DESTDIR)$(HELPERDIR)/mount.fuse.bough
	install -m 755 $(OUT)/libbough.so $(DESTDIR)$(PREFIX)/lib
	install -m 644 $(OUT)/libbough.a $(DESTDIR)$(PREFIX)/lib
	install -m 644 include/bough.h $(DESTDIR)$(PREFIX)/include
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' packaging/bough.pc.in \
	    > $(DESTDIR)$(PREFIX)/lib/pkgconfig/bough.pc
	$(OUT)/bough debug docs man $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 packaging/bough-fuse.8 packaging/mount.fuse.bough.8 $(DESTDIR)$(PREFIX)/share/man/man8
	$(OUT)/bough completions bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/bough
	$(OUT)/bough completions zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_bough
	$(OUT)/bough completions fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/bough.fish

uninstall:
	rm -f $(DESTDIR)$(HELPERDIR)/mount.fuse.bough
	cd $(DESTDIR)$(PREFIX) && rm -f bin/bough bin/bough-fuse lib/libbough.so lib/libbough.a \
	    include/bough.h lib/pkgconfig/bough.pc share/man/man1/bough*.1 share/man/man8/bough-fuse.8 \
	    share/man/man8/mount.fuse.bough.8 share/bash-completion/completions/bough \
	    share/zsh/site-functions/_bough share/fish/vendor_completions.d/bough.fish

clean:
	$(CARGO) clean
