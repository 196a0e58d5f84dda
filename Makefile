# SPDX-License-Identifier: GPL-2.0
# kvm-mmu-roots: "make help" prints the verbs below.

.DEFAULT_GOAL := help
S := scripts

run:		## build all, boot the bed, stress the reset paths, print the table
	@$(S)/run.sh

test:		## every check of this project; ends in "N passed, N failed, N skipped"
	@$(S)/test.sh

mutants:	## prove that each planted bug turns its tests red
	@$(S)/mutants.sh

soak:		## everything at once, at random, for HOURS, on CPUs in parallel
	@$(S)/soak.sh

bench:		## cost of each path with the patches, beside Debian's own modules
	@$(S)/bench.sh

perf:		## run tests on this machine under perf, and print what it saw of KVM
	@$(S)/perf.sh

compare:	## what differs between the results A and B; a gate for CI, see BOUND
	@$(S)/compare.sh

profile:	## measure the costs in bed BED again, as a reference, in patches/linux-KERNEL/profiles
	@$(S)/profile.sh

pack:		## BUILD/host.tar.gz, for a machine that runs tests but builds nothing
	@$(S)/pack.sh

report:		## the table of the latest run again, its page and its JUnit XML
	@$(S)/report.sh

configs:	## what CONFIG can be: a line for each of configs/*.conf
	@$(S)/configs.sh

kernels:	## what KERNEL can be, and where each comes from
	@$(S)/kernels.sh

list:		## cases, configurations and mutants, of those that FILTER, CONFIG and MUTANTS pick
	@$(S)/list.sh

shell:		## a prompt in the bed, with the modules loaded and the tests at hand
	@$(S)/shell.sh

install-into:	## patch KERNEL_SRC and put the tests into its selftests
	@$(S)/install-into.sh

send:		## write what would be sent to the kernel's lists for KERNEL_SRC; nothing is sent
	@$(S)/send.sh

bisect-step:	## judge KERNEL_SRC; for git bisect run, scripts/bisect-step.sh itself
	@$(S)/bisect-step.sh

check-patches:	## checkpatch, sparse, W=1, and a build after each patch
	@$(S)/check-patches.sh

deps:		## install the packages that all of the above needs
	@$(S)/deps.sh build run test

clean:		## remove the build folder, with all results
	rm -rf "$${BUILD:-build}"

clean-cache:	## remove the kernels, modules and packages that were kept
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/kvm-mmu-roots"

help:		## this text
	@echo 'kvm-mmu-roots: count and test the life cycle of KVM/x86 MMU roots'
	@echo
	@sed -n 's/^\([a-z-]*\):.*##/\1 #/p' $(MAKEFILE_LIST) | awk -F '#' '{ printf "  make %-15s%s\n", $$1, $$2 }'
	@echo
	@echo 'Variables, with their values:'
	@printf '  %-20s%s\n' \
	  'BED=$(BED)' 'where to run: folders of beds/ (default: qemu-kvm where it works, or qemu-svm)' \
	  'CONFIG=$(or $(CONFIG),default)' 'what to run: configurations and sets of them, see make configs' \
	  'KERNEL=$(KERNEL)' 'which of the kernels that there are patches for, see make kernels; or all (default: the newest that is to be had)' \
	  'RELOAD=$(RELOAD)' '1: bed host may load other modules of KVM, for the time of a run' \
	  'KERNEL_SRC=$(KERNEL_SRC)' "a kernel tree to use instead of Debian's kernel" \
	  'FILTER=$(FILTER)' "only cases whose 'test case' matches this pattern" \
	  'MUTANTS=$(MUTANTS)' 'only these mutants' \
	  'UPSTREAM=$(UPSTREAM)' "1: run the kernel's own KVM selftests on the mutants, too" \
	  'UNIT_TESTS=$(UNIT_TESTS)' 'with UPSTREAM=1: a clone of kvm-unit-tests, whose tests run, too' \
	  'TESTS=$(TESTS)' 'only these files of tests/' \
	  'KCONFIG=$(KCONFIG)' 'a configuration for the kernel of KERNEL_SRC' \
	  'BOUND=$(or $(BOUND),1.01)' 'how much more a path may cost in make bench and make compare' \
	  'HOURS=$(or $(HOURS),1)' 'how long make soak takes; fractions will do' \
	  'SEED=$(SEED)' 'where the random choices of make soak come from (default: another one each time)' \
	  'FULL=$(FULL)' '1: make report prints all rows, and why cases do not apply; make test does all' \
	  'A=$(A) B=$(B)' 'results to compare, files or folders' \
	  'DEBIAN_VERSION=$(DEBIAN_VERSION)' "a version of Debian's kernel instead of the newest" \
	  'DEBIAN_MIRROR=$(DEBIAN_MIRROR)' "where other suites of Debian are (default: where apt takes this machine's from)" \
	  'JOBS=$(JOBS)' 'parallel jobs (default: one for each CPU)' \
	  'DEPS=$(or $(DEPS),1)' '0: never install packages' \
	  'BUILD=$(or $(BUILD),build)' 'folder for programs and results' \
	  'LINK=$(LINK)' "how to link what runs in guests: -static, or '' (default: what there are libraries for)" \
	  'SIGNOFF=$(SIGNOFF)' '"Name <mail>" for install-into to sign off the patches'

.PHONY: run test mutants soak bench perf compare pack profile report configs kernels list shell install-into bisect-step send check-patches \
	deps clean clean-cache help
