#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test what a user sees of a green run, of make list and of make shell; and what bed qemu-svm says
# about the known faults of its CPU.

. tests/tap.sh

# The maximum size of the output of a green run.
MAX_LINES=40
MAX_COLUMNS=100

# REUSE=1: if the earlier tests have passed, no lane runs again.  As for a user, the build folder is in the
# current folder.
test_green_run()
{
	on_terminal $MAX_COLUMNS "cd '$tmp' && REUSE=1 BED=qemu-svm BUILD=build exec '$PWD/scripts/run.sh'"
	says "a green run" 0 "^[0-9]+ cases: [0-9]+ passed, 0 failed, 0 skipped, [0-9]+ not applicable(, [0-9]+ known)?$"
	says "a green run: where the page is, in one line" 0 "^the same as a page: build/results/[-0-9]*/report.html, for CI: junit.xml beside it$"
	[ "$(wc -l <"$tmp/out")" -le $MAX_LINES ]
	ret=$?
	result $ret "a green run takes $MAX_LINES lines at most on a terminal of $MAX_COLUMNS columns"
	[ $ret -eq 0 ] || sed 's/^/#   /' "$tmp/out"
}

# listed HEAD: print the names that the last attempt has listed below a line that begins with HEAD
listed()
{
	awk -v head="$1" '/^[^ ]/ { on = index($0, head) == 1; next } on && NF { print $1 }' "$tmp/out" | paste -sd ' '
}

test_list()
{
	attempt make -s list FILTER='*path.cr4_smep.*'
	says "list: a case" 0 "^  mmu_root_reuse_test path.cr4_smep.exact_counts$"
	says "list: a configuration" 0 "^  suite +TDP MMU"
	says "list: a mutant that the case has to catch" 0 "^  cr4-smep-without-reset +qemu-svm +KVM: "
	! grep -q -e smap -e cr4-smap "$tmp/out"
	result $? "list: nothing else"
	attempt scripts/list.sh </dev/null
	[ "$(grep -c '^  mmu_root_' "$tmp/out")" -gt 300 ] && [ "$(grep -c ' KVM: ' "$tmp/out")" -eq "$(sh -c 'top=$PWD; . scripts/lib.sh; . scripts/lanes.sh; mutant_names' | wc -l)" ]
	result $? "list: all cases and all mutants"
	attempt env CONFIG='legacy shadow' scripts/list.sh
	[ "$(listed Configurations)" = "legacy shadow" ]
	result $? "list: the configurations of CONFIG"
	attempt env CONFIG=default BED=qemu-svm scripts/list.sh
	[ "$(listed Configurations)" = "bench legacy shadow suite" ]
	result $? "list: the configurations of a set"
	attempt env MUTANTS='cr4-smep-without-reset cr4-smap-without-reset' scripts/list.sh
	[ "$(listed Mutants)" = "cr4-smep-without-reset cr4-smap-without-reset" ]
	result $? "list: the mutants of MUTANTS"
	attempt env FILTER='*path.cr4_smap.*' MUTANTS='cr4-smep-without-reset cr4-smap-without-reset' scripts/list.sh
	[ "$(listed Mutants)" = "cr4-smap-without-reset" ]
	result $? "list: those of MUTANTS that the case has to catch"
	attempt env FILTER=nothing scripts/list.sh
	says "list: a filter that no case matches" 2 "nothing: nothing to run"
	attempt env CONFIG=nothing scripts/list.sh
	one_line "list: no such configuration" 2 "no such configuration: nothing"
	attempt env MUTANTS=nothing scripts/list.sh
	says "list: no such mutant" 2 "no such mutant: nothing"
}

prompt_is_there()
{
	tr -d '\r' <"$tmp/screen" | grep -q '^/tests # '
}

# test_shell: on a terminal, which stops QEMU unless QEMU is in the group of processes that may read from it
test_shell()
{
	mkfifo "$tmp/keys"
	script -qefc scripts/shell.sh /dev/null <"$tmp/keys" >"$tmp/screen" 2>"$tmp/err" &
	shell=$!
	exec 7>"$tmp/keys"
	eventually 120 prompt_is_there
	result $? "shell: a prompt"
	echo './mmu_root_reuse_test -r path.null_exit.exact_counts' >&7
	echo 'cat /sys/kernel/debug/kvm/mmu_root_alloc; poweroff -f' >&7
	wait $shell
	result $? "shell: ends with the guest"
	exec 7>&-
	tr -d '\r' <"$tmp/screen" | grep -q '^ok 1 path.null_exit.exact_counts$'
	result $? "shell: runs a test"
	tr -d '\r' <"$tmp/screen" | grep -qx '[0-9][0-9]*'
	result $? "shell: shows a counter"
	attempt env BED=bochs-vmx scripts/shell.sh
	one_line "shell: a bed without one" 2 "no prompt in bed bochs-vmx: make shell BED=qemu-svm"
	attempt env CONFIG="suite shadow" scripts/shell.sh
	one_line "shell: two configurations" 2 "one configuration at a time"
}

no_prompt()
{
	! pgrep -f "qemu-system-x86_64.*$tmp/build/shell" >/dev/null
}

# test_shell_killed SIGNAL STATUS: a signal to make shell alone ends QEMU, too, whose guest would wait at its
# prompt for good
test_shell_killed()
{
	in_session BUILD="$tmp/build" scripts/shell.sh >"$tmp/screen" 2>"$tmp/err"
	eventually 60 pgrep -f "qemu-system-x86_64.*$tmp/build/shell.*-echr" >/dev/null
	result $? "shell, SIG$1: had begun"
	sleep 1
	kill "-$1" $run
	eventually 10 no_prompt
	result $? "shell, SIG$1: nothing left running"
	pkill -KILL -f "qemu-system-x86_64.*$tmp/build/shell"
	wait $run 2>/dev/null
	result $(($? != $2)) "shell, SIG$1: exit status $2"
}

# run_null_exit [NAME=VALUE...]: run one case, and copy the run's record to $tmp/run
run_null_exit()
{
	attempt env "$@" BED=qemu-svm BUILD="$tmp/build" CONFIG=suite FILTER='*null_exit*' scripts/run.sh
	head -q -n 1 "$tmp"/build/results/latest/qemu-svm/suite.jsonl >"$tmp/run" 2>/dev/null
}

# fake_qemu CODE: make a QEMU that runs this shell code instead of the probe; all other calls go to
# the real one
fake_qemu()
{
	mkdir -p "$tmp/bin"
	cat >"$tmp/bin/qemu-system-x86_64" <<-END
	#!/bin/sh
	case "\$*" in
	*qemu-svm-probe*) $1 ;;
	*) exec $(command -v qemu-system-x86_64) "\$@" ;;
	esac
	END
	chmod 755 "$tmp/bin/qemu-system-x86_64"
}

# probe_says TEXT: print code for fake_qemu that writes TEXT to the file of the probe's console
# shellcheck disable=SC2016 # variables of that QEMU
probe_says()
{
	printf '%s' 'file=$(echo "$*" | sed "s/.*id=found,path=\([^ ]*\).*/\1/");' " printf '$1\\n'" ' >"$file"; exit 1'
}

# listed_faults: print the names of the faults that the bed's list has
# shellcheck disable=SC2016 # Markdown's quotes
listed_faults()
{
	sed -n 's/^[0-9]*\. `\([a-z-]*\)`: .*/\1/p' beds/README.md
}

# faults_of VERSION: print the faults of this QEMU, in the order of the probe; nothing for a version that was
# not tried
faults_of()
{
	case $1 in
	7.2.*) echo pae-pdpte-accessed pf-rsvd-without-p smap-implicit-ac ;;
	10.0.* | 11.1.*) echo svm-cr-reads pae-pdpte-accessed pf-rsvd-without-p smap-implicit-ac ;;
	esac
}

# right_faults VERSION FAULT...: whether this QEMU has exactly these faults; if the version was not tried, whether
# all of them are on the list
right_faults()
{
	expected=$(faults_of "$1")
	shift
	[ -z "$expected" ] || { [ "$*" = "$expected" ]; return; }
	! printf '%s\n' "$@" | grep . | grep -qvxF "$(listed_faults)"
}

# test_fault_lists: the list, and right_faults() itself
test_fault_lists()
{
	sed -n 's/.*say("\([a-z-]*\)");/\1/p' beds/qemu-svm/probe.c | grep -vx 'done' | sort >"$tmp/said"
	listed_faults | sort | diff "$tmp/said" - >"$tmp/diff"
	ret=$?
	result $ret "each fault that the probe can find is on the list of known faults, and no other name"
	[ $ret -eq 0 ] || sed 's/^/#   /' "$tmp/diff"
	! right_faults 7.2.22 svm-cr-reads pae-pdpte-accessed pf-rsvd-without-p smap-implicit-ac &&
		! right_faults 11.1.3 pae-pdpte-accessed pf-rsvd-without-p smap-implicit-ac &&
		! right_faults 99.0.1 svm-cr-reads nothing && right_faults 99.0.1 svm-cr-reads && right_faults 99.0.1
	result $? "a fault too many, a fault too few, and a fault of no name are noticed"
}

test_faults()
{
	version=$(qemu-system-x86_64 --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')
	run_null_exit
	grep -q "\"emulator\":\"QEMU-$version\",\"faults\":\[" "$tmp/run"
	result $? "results have the emulator, and a list of what its CPU does wrong"
	found=$(sed 's/.*"faults":\[\([^]]*\)\].*/\1/' "$tmp/run" | tr -d '"' | tr , ' ')
	# shellcheck disable=SC2086 # one word for each fault
	right_faults "$version" $found
	ret=$?
	result $ret "the probe finds the faults that this QEMU has"
	[ $ret -eq 0 ] || echo "# QEMU $version: found '$found', expected '$(faults_of "$version")'"

	fake_qemu "$(probe_says 'done')"
	attempt env PATH="$tmp/bin:$PATH" BED=qemu-svm BUILD="$tmp/build" CONFIG=suite FILTER='*tables.of_guest.*' \
		scripts/run.sh
	says "a fault that the bed does not name is not excused" 1 \
		"must raise #PF\(0x[0-9a-f]*[9bdf]\), but raised #PF\(0x[0-9a-f]*[8ace]\)"

	fake_qemu "$(probe_says 'svm-cr-reads\ndone')"
	attempt env PATH="$tmp/bin:$PATH" BED=qemu-svm BUILD="$tmp/build" CONFIG=suite FILTER='*registers*' FULL=1 scripts/run.sh
	says "a case that a fault keeps from passing" 0 "not applicable: the emulated CPU has the known fault svm-cr-reads \(3 cases\)"

	fake_qemu 'exit 1'
	run_null_exit PATH="$tmp/bin:$PATH"
	says "a probe that says nothing" 2 "the probe of QEMU.s CPU for known faults failed"
	fake_qemu "$(probe_says '!a guest exits\ndone')"
	run_null_exit PATH="$tmp/bin:$PATH"
	says "a probe that goes wrong" 2 "known faults failed: !a guest exits"
}

test_green_run
test_list
test_shell
test_shell_killed TERM 143
test_shell_killed KILL 137
test_fault_lists
test_faults
plan_done
