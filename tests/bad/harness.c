// SPDX-License-Identifier: GPL-2.0
/*
 * Cases of the kselftest harness that end in each way that there is, for tests
 * of the runner.
 */
#include <unistd.h>

#include "kselftest_harness.h"

FIXTURE(f) {
};

FIXTURE_VARIANT(f) {
	int number;
};

FIXTURE_VARIANT_ADD(f, one) { 1 };
FIXTURE_VARIANT_ADD(f, two) { 2 };
FIXTURE_VARIANT_ADD(f, three) { 3 };

FIXTURE_SETUP(f)
{
}

FIXTURE_TEARDOWN(f)
{
}

TEST_F(f, is_below_three)
{
	EXPECT_LT(variant->number, 3);
}

TEST(passes)
{
}

TEST(skips)
{
	SKIP(return, "no such hardware");
}

TEST(dies)
{
	raise(SIGSEGV);
}

TEST_F_TIMEOUT(f, hangs, 1)
{
	if (variant->number == 1)
		pause();
}

TEST_HARNESS_MAIN
