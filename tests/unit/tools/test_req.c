/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/support/req.h"

Test(req, what_was_executed_stands_in_the_file_with_its_test)
{
	char name[] = "/tmp/plenum-test-XXXXXX", text[256];
	int fd = mkstemp(name);
	ssize_t len;

	cr_assert(fd >= 0);
	setenv("PLENUM_REQ_LOG", name, 1);
	REQ("CF-1.1-R1");
	req_executed("CF-1.1-R2", "main", "stress_border");
	len = read(fd, text, sizeof(text) - 1);
	cr_assert(len > 0);
	text[len] = 0;
	cr_assert_str_eq(text, "CF-1.1-R1\treq/what_was_executed_stands_in_the_file_with_its_test\n"
			       "CF-1.1-R2\tmain/stress_border\n");
	close(fd);
	unlink(name);
}
