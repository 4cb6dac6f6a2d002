/* SPDX-License-Identifier: BSD-3-Clause */
/* req: REQ("CF-7.2.1.2-R7a") stands beside the assertion that proves the requirement. It adds a
 * line "id TAB suite/test" to the file named by PLENUM_REQ_LOG, if set; tools/reqtrace counts an id
 * only when that test also passed. Include <criterion/criterion.h> first; a test that is a plain
 * main calls req_executed itself, with the name that meson knows it by as `test`.
 */
#ifndef TESTS_SUPPORT_REQ_H
#define TESTS_SUPPORT_REQ_H
void req_executed(const char *id, const char *suite, const char *test);
#ifdef CRITERION_H_
#define REQ(id) req_executed(id, criterion_current_test->category, criterion_current_test->name)
#endif
#endif
