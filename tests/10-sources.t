#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Static checks: our own programs build without warnings and pass checkpatch, and scripts
# pass shellcheck.

. tests/tap.sh

base=$(scripts/kernel.sh) || bail_out "no kernel source"

for part in runner report mutants beds/bochs-vmx beds/qemu-svm; do
	make -s -C $part O="$tmp" CFLAGS='-O2 -Wall -Wextra -Werror' >"$tmp/log" 2>&1
	ret=$?
	result $ret "$part/ builds without warnings"
	[ $ret -eq 0 ] || sed 's/^/# /' "$tmp/log"
done

# These checks of checkpatch are for kernel code, and are wrong for programs in user space that
# lack the kernel's headers or call exec(); libxml2 and ELF have a naming style of their own.
ignore=PREFER_DEFINED_ATTRIBUTE_MACRO,STATIC_CONST_CHAR_ARRAY,VOLATILE,CAMELCASE
for file in runner/*.[ch] report/*.[ch] mutants/*.[ch] beds/bochs-vmx/*.[chS] beds/qemu-svm/*.c tests/bad/*.c tests/fuzz/*.[ch]; do
	(cd "$tmp" && "$base/linux/scripts/checkpatch.pl" --strict --no-tree -q \
		--ignore $ignore -f "$OLDPWD/$file") >"$tmp/log" 2>"$tmp/err"
	# Its standard error has complaints about the missing kernel tree, which do not matter.
	ret=$?
	result $ret "checkpatch --strict: $file"
	[ $ret -eq 0 ] || sed 's/^/# /' "$tmp/log" "$tmp/err"
done

for file in scripts/*.sh beds/*.sh beds/*/run beds/init tests/host/* tests/*.t tests/vmx/*.t tests/*.sh .ci/run; do
	shellcheck -s sh -x -P scripts -P tests "$file" >"$tmp/log" 2>&1
	ret=$?
	result $ret "shellcheck: $file"
	[ $ret -eq 0 ] || sed 's/^/# /' "$tmp/log"
done
plan_done
