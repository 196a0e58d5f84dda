#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Fuzz the parser of configurations: it must accept a file, or print one line that says what is
# wrong.  It must not execute any part of a file.

FUZZ_FILES=${FUZZ_FILES:-500}

. tests/tap.sh

seed=${SEED:-$$}
echo "# SEED=$seed repeats these files"
mkdir "$tmp/configs" "$tmp/taken"

# Make the files from real ones: remove some bytes, and insert random bytes and shell syntax.
perl -e '
	my ($seed, $nr, $dir, @files) = @ARGV;
	my @spice = ("\$(touch executed)", "`touch executed`", "; touch executed;", "\n|| touch executed",
		"'\''", "\"", "=", "\0", "\n", "#", " ", "\\");
	my @texts = map { local (@ARGV, $/) = $_; <> } @files;
	srand($seed);
	for my $i (1 .. $nr) {
		my $text = $texts[rand @texts];
		for (0 .. rand 4) {
			my $at = int rand(length($text) + 1);
			my $what = int rand 3;
			substr($text, $at, 0) = $spice[rand @spice] if $what == 0;
			substr($text, $at, 0) = chr(int rand 256) if $what == 1;
			substr($text, $at, int rand 8) = "" if $what == 2;
		}
		open(my $f, ">", "$dir/fuzz$i.conf") or die;
		print $f $text;
	}' "$seed" "$FUZZ_FILES" "$tmp/configs" configs/*.conf

# This script prints a line for each file that is neither accepted nor refused in one line.
cat >"$tmp/take" <<'END'
top=$1 lanes=$2 nr=$3
. "$top/scripts/lib.sh"
. "$lanes"
for i in $(seq "$nr"); do
	status=0
	(trap - EXIT && lane_define "fuzz$i") >out 2>err || status=$?
	case $status-$(grep -c '' err)-$(head -c 7 err) in
	0-0- | 2-1-error:*) ;;
	*) echo "fuzz$i: status $status: $(head -n 3 err)" ;;
	esac
	echo "$status" >>statuses
done
END
# The PATH of the parser only has the programs that the scripts call, and touch.  A broken parser that
# executes words of a configuration must not find others: some words (kvm) are names of programs.
PROGRAMS='cat cut grep head ls mktemp nproc rm sed seq sh sort tail touch tr'
mkdir "$tmp/bin"
for program in $PROGRAMS; do
	ln -s "$(command -v $program)" "$tmp/bin/"
done

take()
{
	rm -f "$tmp/taken"/*
	(cd "$tmp/taken" && PATH="$tmp/bin" CONFIGS="$tmp/configs" sh "$tmp/take" "$top" "$1" "$FUZZ_FILES") >"$tmp/wrong" 2>&1
}

top=$PWD
take "$top/scripts/lanes.sh"
[ ! -s "$tmp/wrong" ]
result $? "$FUZZ_FILES files: each is understood, or one line says what is wrong"
head -n 10 "$tmp/wrong" | sed 's/^/# /'
[ "$(wc -l <"$tmp/taken/statuses")" -eq "$FUZZ_FILES" ] && [ "$(sort -u "$tmp/taken/statuses" | tr -d '\n')" = 02 ]
result $? "some are the one, some the other"
[ ! -e "$tmp/taken/executed" ]
result $? "none of it is executed"

# Test the fuzzing itself: it must find a parser that expands a value twice.
# shellcheck disable=SC2016 # of the script
sed 's/=\\\$config_value"/=$config_value"/' scripts/lanes.sh >"$tmp/lanes.sh"
if cmp -s scripts/lanes.sh "$tmp/lanes.sh"; then
	bail_out "scripts/lanes.sh sets no variable by eval"
fi
take "$tmp/lanes.sh"
[ -s "$tmp/wrong" ] && [ -e "$tmp/taken/executed" ]
result $? "a parser that executes them is found out"
plan_done
